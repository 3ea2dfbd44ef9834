//! A small picture of a picture.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ColorType, DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits};

use crate::exchange::photo;

/// The longest side of a small picture, pixels.
pub const SIDE: u32 = 480;
/// The longest side that is decoded, pixels.
const LONGEST_SIDE: u32 = 30_000;
/// The most pixels that are decoded: the largest cameras of telephones have 200 million, most 50.
const PIXELS: u64 = 110_000_000;
/// How much a decoder may use, bytes: below what the process may.
const MEMORY: u64 = 700 << 20;
/// How good a small picture is, of 100.
const QUALITY: u8 = 82;

/// A small picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// Its width, pixels.
    pub width: u32,
    /// Its height, pixels.
    pub height: u32,
    /// `image/jpeg`, or `image/png` where one can see through it.
    pub media_type: &'static str,
    /// The picture, without anything else in the file.
    pub bytes: Vec<u8>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoThumbnail {
    /// No picture, or none of those that are decoded.
    #[error("small pictures are made of JPEG, PNG and WebP only")]
    UnknownFormat,
    /// A picture with more pixels than are decoded.
    #[error("it has too many pixels")]
    TooLarge,
    /// A picture that cannot be decoded.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// Whether it is worth trying: by the first bytes, [`photo::HEAD`] of them.
pub fn may_have_one(head: &[u8]) -> bool {
    matches!(photo::Format::of(head), Some(photo::Format::Jpeg | photo::Format::Png | photo::Format::WebP))
}

/// Makes one, the right way up, at most [`SIDE`] wide and high; a smaller picture keeps its size.
pub fn make(bytes: &[u8]) -> Result<Thumbnail, NoThumbnail> {
    let format = match photo::Format::of(bytes) {
        Some(photo::Format::Jpeg) => ImageFormat::Jpeg,
        Some(photo::Format::Png) => ImageFormat::Png,
        Some(photo::Format::WebP) => ImageFormat::WebP,
        _ => return Err(NoThumbnail::UnknownFormat),
    };
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(LONGEST_SIDE), Some(LONGEST_SIDE));
    limits.max_alloc = Some(MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS {
        return Err(NoThumbnail::TooLarge);
    }
    let orientation = decoder.orientation().map_err(refused)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    let mut small = if width.max(height) > SIDE { picture.thumbnail(SIDE, SIDE) } else { picture };
    small.apply_orientation(orientation);
    written(small)
}

fn written(small: DynamicImage) -> Result<Thumbnail, NoThumbnail> {
    let (width, height) = (small.width(), small.height());
    let mut bytes = Vec::new();
    let see_through = small.color().has_alpha() && small.to_rgba8().pixels().any(|pixel| pixel.0[3] != u8::MAX);
    let media_type = if see_through {
        let small = DynamicImage::ImageRgba8(small.into_rgba8());
        small.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).map_err(refused)?;
        "image/png"
    } else {
        let small = if matches!(small.color(), ColorType::L8 | ColorType::L16) {
            DynamicImage::ImageLuma8(small.into_luma8())
        } else {
            DynamicImage::ImageRgb8(small.into_rgb8())
        };
        small.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY)).map_err(refused)?;
        "image/jpeg"
    };
    Ok(Thumbnail { width, height, media_type, bytes })
}

fn refused(error: ImageError) -> NoThumbnail {
    match error {
        ImageError::Limits(_) => NoThumbnail::TooLarge,
        error => NoThumbnail::Damaged(error.to_string()),
    }
}
