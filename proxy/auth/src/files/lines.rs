//! Files with one JSON object a line.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic;
use crate::AccountError;

fn broken(path: &Path, why: impl ToString) -> AccountError {
    AccountError::Content { path: path.to_owned(), why: why.to_string() }
}

/// The file's text; empty if it is not there.
pub(super) fn text(path: &Path) -> Result<String, AccountError> {
    let content = atomic::read(path)?.unwrap_or_default();
    String::from_utf8(content).map_err(|error| broken(path, error))
}

/// What a line says.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, line: &str) -> Result<T, AccountError> {
    serde_json::from_str(line).map_err(|error| broken(path, error))
}

/// Adds a line to the text of the file.
pub(super) fn push(
    path: &Path,
    text: &mut String,
    item: &impl Serialize,
) -> Result<(), AccountError> {
    text.push_str(&serde_json::to_string(item).map_err(|error| broken(path, error))?);
    text.push('\n');
    Ok(())
}

/// All lines.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, AccountError> {
    text(path)?.lines().map(|line| parse(path, line)).collect()
}

/// The text of a file with these lines.
pub(super) fn write<T: Serialize>(
    path: &Path,
    items: impl IntoIterator<Item = T>,
) -> Result<String, AccountError> {
    let mut text = String::new();
    for item in items {
        push(path, &mut text, &item)?;
    }
    Ok(text)
}
