//! Where a document stands, and errors that say it.

use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong with a set of documents, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ResourceError {
    /// The file.
    pub file: PathBuf,
    /// Line in the file, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Kind and name of the document, such as `MinetestServer lobby`; empty when none is meant.
    pub object: String,
    /// Path of the field, such as `spec.endpoint.port`; empty when none is meant.
    pub field: String,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.object.is_empty() {
            write!(f, ": {}", self.object)?;
        }
        if !self.field.is_empty() && self.field != "." {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl ResourceError {
    /// An error of a file or folder as a whole.
    pub(super) fn whole(file: &Path, what: impl Into<String>) -> Self {
        let (object, field) = (String::new(), String::new());
        Self { file: file.to_owned(), line: 0, object, field, what: what.into() }
    }
}

/// Where a document stands.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    /// First line of the document, from 1; 0 if it has no lines.
    pub(super) line: usize,
    /// Kind and name, as far as they are known and `file` does not say them.
    pub(super) object: String,
}

impl Place<'_> {
    pub(super) fn error(&self, line: usize, field: &str, what: impl Into<String>) -> ResourceError {
        ResourceError {
            file: self.file.to_owned(),
            line,
            object: self.object.clone(),
            field: field.to_owned(),
            what: what.into(),
        }
    }

    /// An error of a field, found after the document was read.
    pub(super) fn wrong(&self, field: &str, what: impl Into<String>) -> ResourceError {
        self.error(self.line_of_field(self.line, field), field, what)
    }

    /// The line of the field itself: errors of a value's own check carry the line on which the
    /// mapping around it begins.
    pub(super) fn line_of_field(&self, from: usize, path: &str) -> usize {
        // Names that are in the document's every block, such as `server`, are looked for after the
        // field around them.
        let mut line = from;
        for name in path.split('.').filter(|name| *name != "spec") {
            let name = name.split('[').next().unwrap_or(name);
            let key = format!("{name}:");
            let lines = self.text.lines().enumerate().skip(line.saturating_sub(1));
            // The first line may be the separator that opens the document.
            let mut lines = lines.take_while(|(i, text)| *i < from || !text.starts_with("---"));
            line = lines.find(|(_, text)| text.contains(&key)).map_or(line, |(index, _)| index + 1);
        }
        line
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        Ok(())
    }
}
