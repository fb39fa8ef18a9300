//! How answers look.

/// Lines of one page: with the head, as many as a client shows at once (`defaultsettings.cpp`,
/// `recent_chat_messages`).
const PAGE: usize = 5;

/// Characters after which a list goes on in the next line.
const WIDTH: usize = 90;

const GOOD: &str = "#8ae234";
const BAD: &str = "#ff8080";
const HEAD: &str = "#ffd75f";
const NOTE: &str = "#9fc5ff";

/// In a colour (`util/enriched_string.cpp`); back to white at the end.
fn coloured(colour: &str, text: &str) -> String {
    format!("\u{1b}(c@{colour}){text}\u{1b}(c@#ffffff)")
}

/// Something was done.
pub(super) fn good(text: &str) -> String {
    coloured(GOOD, text)
}

/// Something was not done, for a cause without a name.
pub(super) fn bad(text: &str) -> String {
    coloured(BAD, text)
}

/// Something was not done, for a cause with this name.
pub(super) fn failed(text: &str, reason: &str) -> String {
    coloured(BAD, &format!("{text} ({reason})"))
}

/// The head of a list.
pub(super) fn head(text: &str) -> String {
    coloured(HEAD, text)
}

/// What somebody says.
pub(super) fn note(text: &str) -> String {
    coloured(NOTE, text)
}

/// The name of a thing and what there is to say about it.
pub(super) fn pair(name: &str, text: &str) -> String {
    format!("{} {text}", coloured(HEAD, name))
}

/// With a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), chars.as_str())
}

/// A page of a list, counted from 1, with a head that says which. A page after the last one is the
/// last one.
pub(super) fn page(title: &str, lines: &[String], page: usize, more: &str) -> Vec<String> {
    let pages = lines.len().div_ceil(PAGE).max(1);
    let page = page.clamp(1, pages);
    let title = match pages {
        1 => title.to_owned(),
        _ if page < pages => format!("{title} (page {page} of {pages}; {more} {})", page + 1),
        _ => format!("{title} (page {page} of {pages})"),
    };
    let shown = lines.iter().skip((page - 1) * PAGE).take(PAGE);
    [head(&title)].into_iter().chain(shown.cloned()).collect()
}

/// Names, separated by commas, in lines that are not too long.
pub(super) fn lines<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.chars().count() + name.chars().count() + 2 <= WIDTH => {
                line.push_str(", ");
                line.push_str(name);
            }
            _ => lines.push(name.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_every_line_once() {
        let all: Vec<String> = (0..19).map(|i| i.to_string()).collect();
        let mut seen = Vec::new();
        for number in 1..=4 {
            let page = page("x", &all, number, ">x");
            assert!(page[0].contains(&format!("page {number} of 4")), "{}", page[0]);
            assert_eq!(page[0].contains(&format!("; >x {}", number + 1)), number < 4);
            seen.extend(page.into_iter().skip(1));
        }
        assert_eq!(seen, all);
        assert_eq!(page("x", &all, 99, ">x"), page("x", &all, 4, ">x"));
        assert_eq!(page("x", &all, 0, ">x"), page("x", &all, 1, ">x"));
        assert_eq!(page("x", &[], 1, ">x"), [head("x")]);
    }

    #[test]
    fn lists_are_broken_and_texts_are_sentences() {
        let names = ["twelve-chars"; 10];
        let broken = lines(names.iter().copied());
        assert_eq!(broken.len(), 2);
        assert!(broken.iter().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(broken.join(", "), names.join(", "));
        assert_eq!(sentence("no player \"x\""), "No player \"x\".");
        assert_eq!(sentence("which of: a, b?"), "Which of: a, b?");
        assert_eq!(sentence(""), "");
    }
}
