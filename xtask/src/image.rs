//! Looking at a picture: just enough to tell a drawn world from an empty window.

use std::collections::HashSet;
use std::path::Path;

use crate::{Error, Result};

/// A picture with three bytes (red, green, blue) per pixel, row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    pixels: Vec<u8>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}

impl Image {
    /// Reads a binary PPM file (`P6`, 8 bits), which every image tool writes and which needs no
    /// decoder.
    ///
    /// # Errors
    /// When the file cannot be read or is something else.
    pub fn read_ppm(path: &Path) -> Result<Self> {
        let data = std::fs::read(path).map_err(Error::io(format!("reading {}", path.display())))?;
        Self::parse_ppm(&data).map_err(|reason| Error::Picture { path: path.into(), reason })
    }

    fn parse_ppm(data: &[u8]) -> std::result::Result<Self, &'static str> {
        let mut at = 0;
        let mut fields = [0_usize; 3];
        if !data.starts_with(b"P6") {
            return Err("not a binary PPM");
        }
        at += 2;
        for field in &mut fields {
            while data.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            let start = at;
            while data.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            *field = data
                .get(start..at)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(|digits| digits.parse().ok())
                .ok_or("a number is missing in the header")?;
        }
        let [width, height, depth] = fields;
        if depth != 255 {
            return Err("not 8 bits per colour");
        }
        let size = width.checked_mul(height).and_then(|n| n.checked_mul(3)).ok_or("too large")?;
        // One white space character ends the header.
        let pixels = at
            .checked_add(1)
            .and_then(|start| data.get(start..start.checked_add(size)?))
            .ok_or("too short")?;
        Ok(Self { width, height, pixels: pixels.to_vec() })
    }

    /// The colour at column `x`, row `y`; black outside.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        match self.pixels.get(at..at + 3) {
            Some(&[red, green, blue]) if x < self.width => [red, green, blue],
            _ => [0; 3],
        }
    }

    /// The part of the picture that starts at (`x`, `y`), cut at the picture's edge.
    #[must_use]
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        let right = (x + width).min(self.width);
        let bottom = (y + height).min(self.height);
        let pixels = (y..bottom)
            .flat_map(|row| (x..right).flat_map(move |column| self.pixel(column, row)))
            .collect();
        Self { width: right.saturating_sub(x), height: bottom.saturating_sub(y), pixels }
    }

    /// How many different colours the picture has. A plain window has a handful, a lit world with
    /// textures has thousands.
    pub fn distinct_colours(&self) -> usize {
        self.pixels.chunks_exact(3).collect::<HashSet<_>>().len()
    }

    /// The mean red, green and blue, each 0 to 255.
    pub fn average(&self) -> [f64; 3] {
        let mut sum = [0_u64; 3];
        for pixel in self.pixels.chunks_exact(3) {
            for (total, value) in sum.iter_mut().zip(pixel) {
                *total += u64::from(*value);
            }
        }
        let count = (self.pixels.len() / 3).max(1) as f64;
        sum.map(|total| total as f64 / count)
    }

    /// The mean difference per colour value between two pictures, 0 (the same) to 255; 255 when
    /// their sizes differ.
    pub fn difference(&self, other: &Self) -> f64 {
        if (self.width, self.height) != (other.width, other.height) || self.pixels.is_empty() {
            return 255.0;
        }
        let sum: u64 =
            self.pixels.iter().zip(&other.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / self.pixels.len() as f64
    }
}

impl Image {
    /// The largest [`difference`](Self::difference) of any square of `size` pixels: a small thing
    /// that is in one picture only shows here, while a slow change of light does not.
    pub fn worst_difference(&self, other: &Self, size: usize) -> f64 {
        let size = size.max(1);
        (0..self.height.max(other.height))
            .step_by(size)
            .flat_map(|y| (0..self.width.max(other.width)).step_by(size).map(move |x| (x, y)))
            .map(|(x, y)| self.crop(x, y, size, size).difference(&other.crop(x, y, size, size)))
            .fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_pixels() -> Image {
        Image::parse_ppm(b"P6\n2 1\n255\n\x00\x00\x00\xff\x80\x00").unwrap()
    }

    #[test]
    fn a_ppm_is_read_to_its_last_pixel() {
        let image = two_pixels();
        assert_eq!((image.width, image.height), (2, 1));
        assert_eq!(image.pixel(1, 0), [255, 128, 0]);
        assert_eq!(image.distinct_colours(), 2);
        assert_eq!(image.average(), [127.5, 64.0, 0.0]);
    }

    #[test]
    fn broken_files_are_refused() {
        for bad in [&b""[..], b"P6", b"P5 1 1 255\n\0\0\0", b"P6 9 9 255\n\0", b"P6 1 1 65535\n"] {
            assert!(Image::parse_ppm(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_crop_is_cut_at_the_edge() {
        let right = two_pixels().crop(1, 0, 10, 10);
        assert_eq!((right.width, right.height), (1, 1));
        assert_eq!(right.pixel(0, 0), [255, 128, 0]);
    }

    #[test]
    fn difference_is_zero_for_the_same_and_large_for_other_sizes() {
        let image = two_pixels();
        assert_eq!(image.difference(&image), 0.0);
        assert_eq!(image.difference(&image.crop(0, 0, 1, 1)), 255.0);
        assert_eq!(image.crop(0, 0, 1, 1).difference(&image.crop(1, 0, 1, 1)), 383.0 / 3.0);
        let swapped = Image::parse_ppm(b"P6\n2 1\n255\n\x00\x00\x00\x00\x00\x00").unwrap();
        assert_eq!(image.worst_difference(&swapped, 1), 383.0 / 3.0);
        assert_eq!(image.worst_difference(&image, 1), 0.0);
    }
}
