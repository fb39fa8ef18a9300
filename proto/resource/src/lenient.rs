//! Reading documents that a newer release may have written.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Reads a value as [`Value`] itself does, and passes over fields of structures that these do not
/// know, whatever they say about unknown fields. What is known is checked all the same, so an
/// object that makes no sense without the unknown part is still refused.
///
/// For what comes from an API server or a controller: both may be newer than the program. Files
/// are read without it, so that a mistyped field is not taken for a newer one.
pub struct Lenient<'a> {
    value: Value,
    path: Path<'a>,
    unknown: &'a dyn Fn(&str),
}

impl<'a> Lenient<'a> {
    /// Calls `unknown` with the path of every field that is passed over, such as
    /// `spec.fallbacks[].zone`.
    pub fn new(value: Value, unknown: &'a dyn Fn(&str)) -> Self {
        Self { value, path: Path::Root, unknown }
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>),
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Path::Root, name) => f.write_str(name),
            Self::Field(around, name) => write!(f, "{around}.{name}"),
            Self::Item(around) => write!(f, "{around}[]"),
        }
    }
}

impl<'de> Deserializer<'de> for Lenient<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self { value, path, unknown } = self;
        match value {
            Value::Array(items) => {
                visitor.visit_seq(Items { rest: items.into_iter(), path: &path, unknown })
            }
            Value::Object(fields) => visitor.visit_map(Fields {
                rest: fields.into_iter(),
                value: None,
                known: None,
                path: &path,
                unknown,
            }),
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Self { value, path, unknown } = self;
        match value {
            Value::Object(fields) => visitor.visit_map(Fields {
                rest: fields.into_iter(),
                value: None,
                known: Some(known),
                path: &path,
                unknown,
            }),
            other => Lenient { value: other, path, unknown }.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier
    }
}

struct Items<'a> {
    rest: std::vec::IntoIter<Value>,
    path: &'a Path<'a>,
    unknown: &'a dyn Fn(&str),
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        let path = Path::Item(self.path);
        seed.deserialize(Lenient { value, path, unknown: self.unknown }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Fields<'a> {
    rest: serde_json::map::IntoIter,
    value: Option<(String, Value)>,
    /// The fields of the structure that is read, if it is one.
    known: Option<&'static [&'static str]>,
    path: &'a Path<'a>,
    unknown: &'a dyn Fn(&str),
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        for (key, value) in self.rest.by_ref() {
            if self.known.is_some_and(|known| !known.contains(&key.as_str())) {
                (self.unknown)(&Path::Field(self.path, &key).to_string());
                continue;
            }
            let name: StrDeserializer<'_, Error> = key.as_str().into_deserializer();
            let read = seed.deserialize(name)?;
            self.value = Some((key, value));
            return Ok(Some(read));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, value)) = self.value.take() else {
            return Err(Error::custom("a value was asked for before its key"));
        };
        let path = Path::Field(self.path, &key);
        seed.deserialize(Lenient { value, path, unknown: self.unknown })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}
