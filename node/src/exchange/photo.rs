//! Pictures without what they tell besides the picture: where and when they were taken, with which
//! camera, by whom.
//!
//! A telephone writes the place into every photo it takes; a photo of a class is then a photo with the
//! school's, or a home's, address. So a picture is taken apart and put together again from the parts that
//! are needed to show it, and from nothing else: what is kept is listed, whatever is not listed goes. That
//! covers Exif with its GPS, maker's notes and small preview, XMP, IPTC, comments, names of programs, and
//! what lies behind the picture's end, such as the film in a *motion photo*.
//!
//! The picture itself is not decoded and not compressed anew: its pixels stay as they are, and so do its
//! colour profile and which way up it is. The same file always gives the same bytes, and a cleaned picture
//! cleaned again is itself.
//!
//! Promised for JPEG, PNG, WebP and GIF. A picture of another kind, or one that cannot be followed to its
//! end, is [`Unclean`] and is not shared. Drawings (SVG), films and documents are not pictures here: they
//! stay as they are.

mod gif;
mod jpeg;
mod orientation;
mod png;
mod webp;

/// The longest picture that is taken apart, bytes: it is held in memory twice.
pub const LONGEST: u64 = 64 << 20;
/// How many bytes of a file [`Format::of`] looks at.
pub const HEAD: usize = 32;

/// Kinds of pictures that may say where they were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG, also animated.
    Png,
    /// WebP, also animated.
    WebP,
    /// GIF, also animated.
    Gif,
    /// HEIC and its kin, as telephones write it.
    Heif,
    /// AVIF.
    Avif,
    /// TIFF, and the raw files of many cameras.
    Tiff,
    /// The raw files of other cameras.
    Raw,
    /// JPEG XL.
    JpegXl,
    /// JPEG 2000.
    Jpeg2000,
}

/// Why a picture could not be cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unclean {
    /// A kind of picture that this program cannot take apart.
    #[error("is a picture of a kind ({}) from which the place where it was taken cannot be removed", .0.name())]
    Kind(Format),
    /// Too large to be held in memory.
    #[error("is a picture above {} MiB, from which the place where it was taken cannot be removed", LONGEST >> 20)]
    TooLarge,
    /// It breaks off, or its parts do not fit.
    #[error("is a damaged picture ({0}), from which the place where it was taken cannot be removed")]
    Damaged(&'static str),
}

impl Unclean {
    /// What a person can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Kind(_) => "Save it as JPEG or PNG in a program for pictures, and share that",
            Self::TooLarge => "Make it smaller in a program for pictures, and share that",
            Self::Damaged(_) => "Open it in a program for pictures, save it again, and share that",
        }
    }
}

impl Format {
    /// What a file is by its first bytes, whatever its name says; nothing where it is no such picture.
    pub fn of(head: &[u8]) -> Option<Self> {
        let begins = |starts: &[&[u8]]| starts.iter().any(|start| head.starts_with(start));
        Some(match head {
            [0xff, 0xd8, ..] => Self::Jpeg,
            _ if begins(&[png::SIGNATURE]) => Self::Png,
            _ if begins(&[b"RIFF"]) && head.get(8..12) == Some(b"WEBP") => Self::WebP,
            _ if begins(&[b"GIF87a", b"GIF89a"]) => Self::Gif,
            _ if begins(&[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]) => Self::Tiff,
            // Panasonic, Olympus, Fujifilm, Minolta, Sigma; most others are TIFF.
            _ if begins(&[b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW", b"\0MRM", b"FOVb"]) => Self::Raw,
            [0xff, 0x0a, ..] => Self::JpegXl,
            _ => match head.get(4..8)? {
                b"JXL " => Self::JpegXl,
                b"jP  " => Self::Jpeg2000,
                b"ftyp" => Self::of_brands(head.get(8..)?)?,
                _ => return None,
            },
        })
    }
    /// Which kind one of the brands of a file of boxes names (ISO/IEC 14496-12, 4.3); films name none of these.
    fn of_brands(brands: &[u8]) -> Option<Self> {
        brands.chunks_exact(4).find_map(|brand| match brand {
            b"avif" | b"avis" => Some(Self::Avif),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"mif2" | b"msf1" => Some(Self::Heif),
            b"crx " => Some(Self::Raw),
            _ => None,
        })
    }
    /// Its name, as people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Heif => "HEIC",
            Self::Avif => "AVIF",
            Self::Tiff => "TIFF",
            Self::Raw => "raw",
            Self::JpegXl => "JPEG XL",
            Self::Jpeg2000 => "JPEG 2000",
        }
    }
}

/// The same picture without what it tells besides. No longer than what was given, but for a few bytes.
pub fn clean(bytes: &[u8]) -> Result<Vec<u8>, Unclean> {
    if bytes.len() as u64 > LONGEST {
        return Err(Unclean::TooLarge);
    }
    let cleaned = match Format::of(bytes) {
        Some(Format::Jpeg) => jpeg::clean(bytes),
        Some(Format::Png) => png::clean(bytes),
        Some(Format::WebP) => webp::clean(bytes),
        Some(Format::Gif) => gif::clean(bytes),
        Some(other) => return Err(Unclean::Kind(other)),
        None => Err("it is no picture"),
    };
    cleaned.map_err(Unclean::Damaged)
}

/// What the parts of a picture give, or what is wrong with them.
type Parts<T = Vec<u8>> = Result<T, &'static str>;

/// Said where a file ends before its picture does.
const BREAKS_OFF: &str = "it breaks off";

/// Takes so many bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Parts<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(BREAKS_OFF)?;
    *bytes = rest;
    Ok(taken)
}

/// The same, as an array.
fn take_array<const N: usize>(bytes: &mut &[u8]) -> Parts<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(BREAKS_OFF)?;
    *bytes = rest;
    Ok(*taken)
}
