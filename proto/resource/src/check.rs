//! Checks of single values while they are read, so that an error carries the value's place.

use serde::de::{Deserialize, Deserializer, Error, Unexpected};

/// What is wrong with a document's fields taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Path of the field, such as `spec.endpoint`.
    pub field: String,
    /// What is wrong and what would be right.
    pub what: String,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.what)
    }
}

impl std::error::Error for Fault {}

/// A whole number in a range.
pub(crate) fn number<'de, D, N, const MIN: i64, const MAX: i64>(d: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    let number = i64::deserialize(d)?;
    let fits = (MIN..=MAX).contains(&number).then(|| N::try_from(number).ok()).flatten();
    fits.ok_or_else(|| {
        D::Error::invalid_value(Unexpected::Signed(number), &format!("{MIN} to {MAX}").as_str())
    })
}

/// A whole number in a range, or nothing.
pub(crate) fn optional_number<'de, D, N, const MIN: i64, const MAX: i64>(
    d: D,
) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    struct Number<N, const MIN: i64, const MAX: i64>(N);
    impl<'de, N: TryFrom<i64>, const MIN: i64, const MAX: i64> Deserialize<'de>
        for Number<N, MIN, MAX>
    {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            number::<D, N, MIN, MAX>(d).map(Self)
        }
    }
    Ok(Option::<Number<N, MIN, MAX>>::deserialize(d)?.map(|n| n.0))
}

/// A list with a limit.
pub(crate) fn list<'de, D, T, const MAX: usize>(d: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Vec::<T>::deserialize(d)?;
    if list.len() <= MAX {
        return Ok(list);
    }
    Err(D::Error::invalid_length(list.len(), &format!("at most {MAX} entries").as_str()))
}

/// A text with a limit, counted as API servers count: in characters.
pub(crate) fn text<'de, D, const MAX: usize>(d: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(d)?;
    let length = text.chars().count();
    if length <= MAX {
        return Ok(text);
    }
    Err(D::Error::invalid_length(length, &format!("at most {MAX} characters").as_str()))
}

/// A text with limits at both ends, or nothing.
pub(crate) fn optional_text<'de, D, const MAX: usize>(d: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let Some(text) = Option::<String>::deserialize(d)? else { return Ok(None) };
    let length = text.chars().count();
    if (1..=MAX).contains(&length) {
        return Ok(Some(text));
    }
    Err(D::Error::invalid_length(length, &format!("1 to {MAX} characters").as_str()))
}
