//! Reading and writing the engine's primitive types, all big-endian
//! (`network/networkpacket.cpp`, `util/serialize.h`).

use bytes::Bytes;

/// Largest `str32` the engine reads (`util/serialize.cpp`, `LONG_STRING_MAX_LEN`).
pub const STR32_MAX: usize = 64 * 1024 * 1024;

/// What was wrong with a message, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The message ended inside a mandatory field.
    #[error("message ends inside {what} at byte {offset}")]
    Short {
        /// Field that was being read.
        what: &'static str,
        /// Byte at which the field starts.
        offset: usize,
    },
    /// A field holds a value that no engine accepts.
    #[error("{what} at byte {offset} is not valid")]
    Invalid {
        /// Field that was being read.
        what: &'static str,
        /// Byte at which the field starts.
        offset: usize,
    },
    /// A version byte that is higher than any known one: what follows may be laid out anyhow.
    #[error("{what} at byte {offset} is newer than any known")]
    Newer {
        /// Field that was being read.
        what: &'static str,
        /// Byte at which the field starts.
        offset: usize,
    },
    /// A length or a decompressed size is over the limit that is set for it.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Result of reading.
pub type Result<T> = std::result::Result<T, WireError>;

/// A cursor over received bytes. Every read checks the length first.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    data: &'a [u8],
    pos: usize,
}

macro_rules! read_int {
    ($($name:ident: $ty:ty),*) => {$(
        #[doc = concat!("Reads one `", stringify!($ty), "`.")]
        pub fn $name(&mut self) -> Result<$ty> {
            let bytes = self.take(size_of::<$ty>(), stringify!($ty))?;
            let mut raw = [0; size_of::<$ty>()];
            raw.copy_from_slice(bytes);
            Ok(<$ty>::from_be_bytes(raw))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, pos: 0 }
    }

    read_int!(u8: u8, u16: u16, u32: u32, u64: u64, i8: i8, i16: i16, i32: i32, f32: f32);

    /// Reads a `bool`: every value but 0 is true, as in the engine.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.u8()? != 0)
    }

    /// Takes `n` bytes; `what` names them in the error.
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8]> {
        let end = self.pos.checked_add(n).filter(|end| *end <= self.data.len());
        let Some(end) = end else {
            return Err(WireError::Short { what, offset: self.pos });
        };
        let bytes = &self.data[self.pos..end];
        self.pos = end;
        Ok(bytes)
    }

    /// Reads a `str16`: `u16` length, then bytes.
    pub fn str16(&mut self) -> Result<&'a [u8]> {
        let n = self.u16()?;
        self.take(n.into(), "str16")
    }

    /// Reads a `str32`: `u32` length (at most [`STR32_MAX`]), then bytes.
    pub fn str32(&mut self) -> Result<&'a [u8]> {
        let n = self.u32()? as usize;
        if n > STR32_MAX {
            return Err(WireError::TooLarge { what: "str32", limit: STR32_MAX });
        }
        self.take(n, "str32")
    }

    /// Reads a `wstr`: `u16` count of UTF-16 units, big-endian. Lone surrogates become U+FFFD.
    pub fn wstr(&mut self) -> Result<String> {
        let n = usize::from(self.u16()?);
        let raw = self.take(n * 2, "wstr")?;
        let units = raw.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]]));
        Ok(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }

    /// Reads three `f32`.
    pub fn v3f(&mut self) -> Result<[f32; 3]> {
        Ok([self.f32()?, self.f32()?, self.f32()?])
    }

    /// Reads three `s16`.
    pub fn v3s16(&mut self) -> Result<[i16; 3]> {
        Ok([self.i16()?, self.i16()?, self.i16()?])
    }

    /// Reads three `s32`.
    pub fn v3s32(&mut self) -> Result<[i32; 3]> {
        Ok([self.i32()?, self.i32()?, self.i32()?])
    }

    /// Bytes not read yet, without reading them.
    pub fn remaining(&self) -> &'a [u8] {
        &self.data[self.pos..]
    }

    /// True when all bytes were read. Trailing fields are present only while this is false.
    pub fn is_empty(&self) -> bool {
        self.pos == self.data.len()
    }

    /// Takes all remaining bytes.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.remaining();
        self.pos = self.data.len();
        rest
    }

    /// Offset of the next byte.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// An [`WireError::Invalid`] for the field that was just read.
    pub fn invalid(&self, what: &'static str) -> WireError {
        WireError::Invalid { what, offset: self.pos }
    }
}

/// Builds a message.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    data: Vec<u8>,
}

macro_rules! write_int {
    ($($name:ident: $ty:ty),*) => {$(
        #[doc = concat!("Writes one `", stringify!($ty), "`.")]
        pub fn $name(&mut self, value: $ty) -> &mut Self {
            self.data.extend_from_slice(&value.to_be_bytes());
            self
        }
    )*};
}

impl Writer {
    /// An empty message body (no command).
    pub fn new() -> Self {
        Self::default()
    }

    /// A message that starts with `command`.
    pub fn command(command: u16) -> Self {
        let mut writer = Self::new();
        writer.u16(command);
        writer
    }

    write_int!(u8: u8, u16: u16, u32: u32, u64: u64, i8: i8, i16: i16, i32: i32, f32: f32);

    /// Writes a `bool` as 0 or 1.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(value.into())
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.data.extend_from_slice(bytes);
        self
    }

    /// Writes a `str16`. Bytes past 65 535 are cut: callers that cannot live with that check first.
    pub fn str16(&mut self, bytes: &[u8]) -> &mut Self {
        let bytes = &bytes[..bytes.len().min(u16::MAX.into())];
        self.u16(bytes.len() as u16).raw(bytes)
    }

    /// Writes a `str32`.
    pub fn str32(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(bytes.len() as u32).raw(bytes)
    }

    /// Writes a `wstr` (UTF-16 with surrogate pairs), cut after 65 535 units.
    pub fn wstr(&mut self, text: &str) -> &mut Self {
        let units: Vec<u16> = text.encode_utf16().take(u16::MAX.into()).collect();
        self.u16(units.len() as u16);
        for unit in units {
            self.u16(unit);
        }
        self
    }

    /// Writes three `f32`.
    pub fn v3f(&mut self, v: [f32; 3]) -> &mut Self {
        self.f32(v[0]).f32(v[1]).f32(v[2])
    }

    /// Writes three `s16`.
    pub fn v3s16(&mut self, v: [i16; 3]) -> &mut Self {
        self.i16(v[0]).i16(v[1]).i16(v[2])
    }

    /// Writes three `s32`.
    pub fn v3s32(&mut self, v: [i32; 3]) -> &mut Self {
        self.i32(v[0]).i32(v[1]).i32(v[2])
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// True when nothing was written.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The finished message.
    pub fn finish(self) -> Bytes {
        self.data.into()
    }

    /// The finished bytes as a vector.
    pub fn into_vec(self) -> Vec<u8> {
        self.data
    }
}
