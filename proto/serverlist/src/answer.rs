//! What the list says to an announcement.

/// Beginning of the text with which the list says that it has no such entry.
const FORGOTTEN: &str = "Server to update not found";

/// What came of an announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was filed.
    Filed,
    /// It was filed, and something is wrong with the one before.
    Warned(String),
    /// The list did not know the server that was to be updated: with this announcement, or with
    /// the one before, in which case this one was filed.
    Forgotten {
        /// Whether it was the one before.
        before: bool,
    },
    /// It was not filed.
    Refused(u16, String),
}

impl Answer {
    /// Reads status and text.
    pub(crate) fn read(status: u16, text: &str) -> Self {
        let text = text.trim();
        if text.contains(FORGOTTEN) {
            return Self::Forgotten { before: status == 409 };
        }
        match status {
            409 => Self::Warned(text.to_owned()),
            200..=299 => Self::Filed,
            _ => Self::Refused(status, text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_meaning() {
        let read = Answer::read;
        assert_eq!(read(202, "Request has been filed.\n"), Answer::Filed);
        assert_eq!(read(409, " Ping failed "), Answer::Warned("Ping failed".into()));
        assert_eq!(read(409, "x: Server to update not found."), Answer::Forgotten { before: true });
        assert_eq!(read(400, "Server to update not found."), Answer::Forgotten { before: false });
        assert_eq!(read(403, "banned"), Answer::Refused(403, "banned".into()));
        assert_eq!(read(413, ""), Answer::Refused(413, String::new()));
        assert_eq!(read(301, ""), Answer::Refused(301, String::new()));
    }
}
