//! The engine's escape sequences in text (`util/enriched_string.cpp`, `core.colorize`): ESC and one
//! character, or ESC and a parenthesis up to its end.

const ESC: char = '\x1b';

/// A colour as clients read it in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// What chat is written in otherwise.
    pub const WHITE: Self = Self(0xff, 0xff, 0xff);

    /// The escape sequence that switches the text after it to this colour.
    pub fn escape(self) -> String {
        format!("{ESC}(c@#{:02x}{:02x}{:02x})", self.0, self.1, self.2)
    }
}

/// `text` in `color`, with what follows white again.
pub fn colorize(color: Color, text: &str) -> String {
    format!("{}{text}{}", color.escape(), Color::WHITE.escape())
}

/// `text` without its escape sequences: what a log should hold. Translations lose their markers
/// and keep their source text.
pub fn strip(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != ESC {
            plain.push(c);
            continue;
        }
        if chars.next() != Some('(') {
            continue;
        }
        // Inside the parentheses a backslash protects the next character.
        while let Some(c) = chars.next() {
            match c {
                ')' => break,
                '\\' => {
                    chars.next();
                }
                _ => {}
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colour_is_written_as_the_engine_reads_it() {
        let text = colorize(Color(0xff, 0x00, 0x0a), "hot");
        assert_eq!(text, "\x1b(c@#ff000a)hot\x1b(c@#ffffff)");
        assert_eq!(strip(&text), "hot");
    }

    #[test]
    fn translation_markers_are_stripped() {
        assert_eq!(strip("\x1b(T@mod)Hello \x1bFname\x1bE!\x1bE"), "Hello name!");
        assert_eq!(strip("\x1b(a\\)b)x"), "x");
        assert_eq!(strip("open \x1b(never closed"), "open ");
    }

    proptest! {
        #[test]
        fn colour_never_changes_plain_text(text in "[^\x1b]{0,60}", r: u8, g: u8, b: u8) {
            prop_assert_eq!(strip(&colorize(Color(r, g, b), &text)), text);
        }
    }
}
