//! Parts of a hand-written file that are made by a program.

/// Replaces what is between the comments `<!-- made: NAME -->` and `<!-- end -->`.
///
/// # Errors
/// When they are not there; the text says which.
pub(crate) fn replace(text: &str, name: &str, part: &str) -> Result<String, String> {
    let begin = format!("<!-- made: {name} -->\n");
    let missing = |what: &str| format!("the line {} is missing", what.trim());
    let (head, rest) = text.split_once(&begin).ok_or_else(|| missing(&begin))?;
    let end = "<!-- end -->\n";
    let (_, tail) = rest.split_once(end).ok_or_else(|| missing(end))?;
    Ok(format!("{head}{begin}\n{part}\n{end}{tail}"))
}

/// Text in a cell of a table: one line, in which a bar does not end the cell.
pub(crate) fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
