//! Why something of a server could not keep its name.

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A node, with its item.
    Node,
    /// An item that is no node.
    Item,
    /// Another name of an item.
    Alias,
    /// What players without an item in their hand use.
    Hand,
    /// A file.
    Media,
    /// A sound: a group of files.
    Sound,
}

impl Subject {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Item => "item",
            Self::Alias => "alias",
            Self::Hand => "hand",
            Self::Media => "media",
            Self::Sound => "sound",
        }
    }
}

/// In what it differs from what others have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A property of a definition.
    Field(&'static str),
    /// The other one is something else altogether.
    Taken,
    /// The files' contents.
    Content,
    /// Servers without the file mean the client's own.
    ClientsOwn,
    /// The name cannot be another one, so the file is not sent.
    Dropped,
}

/// One thing that clients know under another name than its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) subject: Subject,
    pub(crate) name: String,
    /// The client's name; `None` if it is not sent.
    pub(crate) new: Option<String>,
    pub(crate) why: Why,
    /// The part that the name belongs to.
    pub(crate) other: Option<usize>,
}

impl Conflict {
    pub(crate) fn renamed(subject: Subject, name: &str, new: &str, other: Option<usize>) -> Self {
        let (name, new) = (name.to_owned(), Some(new.to_owned()));
        Self { subject, name, new, why: Why::Content, other }
    }

    pub(crate) fn clients_own(name: &str, new: &str) -> Self {
        Self { why: Why::ClientsOwn, ..Self::renamed(Subject::Media, name, new, None) }
    }

    pub(crate) fn dropped(name: &str, other: Option<usize>) -> Self {
        let why = Why::Dropped;
        Self { subject: Subject::Media, name: name.to_owned(), new: None, why, other }
    }

    /// In words; `other` is the name of the part that the name belongs to.
    pub(crate) fn reason(&self, other: &str) -> String {
        match self.why {
            Why::Field(field) => format!("differs from `{other}` in {field}"),
            Why::Taken => format!("the name is something else in `{other}`"),
            Why::Content => format!("other content than in `{other}`"),
            Why::ClientsOwn => "servers without this file mean the client's own".to_owned(),
            Why::Dropped => format!("other content than in `{other}`; it cannot be renamed"),
        }
    }
}
