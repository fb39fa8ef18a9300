//! Paging: the token of the next page is the last key of this one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::failure::Failure;

/// The number of entries that a page has.
pub(crate) fn size(asked: u32) -> usize {
    match asked {
        0 => 100,
        some => some.min(1000) as usize,
    }
}

/// The token of the page after `last`.
pub(crate) fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// The key after which a page begins.
pub(crate) fn after(token: &str) -> Result<Option<String>, Failure> {
    if token.is_empty() {
        return Ok(None);
    }
    let wrong = || Failure::field("page_token", "not one that was given");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
    String::from_utf8(bytes).map(Some).map_err(|_| wrong())
}

/// One page of what is sorted by `key`, and the token of the next.
pub(crate) fn cut<T>(
    all: Vec<T>,
    asked: u32,
    token_given: &str,
    key: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, String), Failure> {
    let after = after(token_given)?;
    let size = size(asked);
    let mut rest: Vec<T> = all
        .into_iter()
        .filter(|item| after.as_deref().is_none_or(|after| key(item) > after))
        .collect();
    let more = rest.len() > size;
    rest.truncate(size);
    let next = rest.last().filter(|_| more).map(|last| token(key(last))).unwrap_or_default();
    Ok((rest, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lead_through_everything_once() {
        let all: Vec<String> = (10..40).map(|i| i.to_string()).collect();
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let (page, next) = cut(all.clone(), 7, &token, |s| s).unwrap();
            seen.extend(page);
            token = next;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, all);
        assert!(cut(all, 7, "not base64!", |s| s).is_err());
        assert_eq!((size(0), size(7), size(u32::MAX)), (100, 7, 1000));
    }
}
