//! What was typed, word by word. Nothing is quoted: a text is always the last argument.

/// Words that were typed and not read yet.
#[derive(Debug)]
pub(super) struct Words {
    text: String,
}

impl Words {
    /// Of a line. Control characters, which would colour or break what others read, are left out.
    pub(super) fn new(line: &str) -> Self {
        Self { text: line.chars().filter(|c| !c.is_control()).collect() }
    }

    /// The next word, and takes it.
    pub(super) fn next(&mut self) -> Option<String> {
        let trimmed = self.text.trim_start();
        let end = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
        let (word, rest) = trimmed.split_at(end);
        let (word, rest) = (word.to_owned(), rest.to_owned());
        self.text = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The next word.
    pub(super) fn peek(&self) -> Option<&str> {
        self.text.split_whitespace().next()
    }

    /// All that is left, as it was typed, and takes it; empty if nothing is.
    pub(super) fn rest(&mut self) -> String {
        std::mem::take(&mut self.text).trim().to_owned()
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_one_by_one_and_texts_as_they_are() {
        let mut words = Words::new("  kick  bob\t a  b \u{1b}(c@#f00)c ");
        assert_eq!(words.next().as_deref(), Some("kick"));
        assert_eq!(words.peek(), Some("bob"));
        let mut words = Words::new(" kick  bob   a  b ");
        assert_eq!((words.next(), words.next()), (Some("kick".into()), Some("bob".into())));
        assert!(!words.is_empty());
        assert_eq!(words.rest(), "a  b");
        assert!(words.is_empty() && words.next().is_none());
        assert_eq!(Words::new("a\u{1b}b\u{0}").rest(), "ab");
    }
}
