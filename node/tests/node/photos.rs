//! Pictures lose where they were taken, and nothing of the picture.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Rgb, RgbImage};
use proptest::prelude::*;
use staffroom_node::exchange::photo::{Format, Unclean, clean};

/// What must not survive, wherever it stood.
const SECRET: &[u8] = b"SECRET-53.4808N-2.2426W";

fn picture() -> DynamicImage {
    let dots =
        RgbImage::from_fn(67, 41, |x, y| Rgb([x * 3, y * 5, x * y].map(|n| u8::try_from(n % 251).expect("below 251"))));
    DynamicImage::ImageRgb8(dots)
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture().write_to(&mut bytes, format).expect("encoded");
    bytes.into_inner()
}

/// The pixels as they are stored, and which way up they are.
fn decoded(bytes: &[u8]) -> (DynamicImage, u8) {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().expect("memory");
    let mut decoder = reader.into_decoder().expect("a picture");
    let orientation = decoder.orientation().expect("readable").to_exif();
    (DynamicImage::from_decoder(decoder).expect("a picture"), orientation)
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// Exif as a telephone writes it: maker, orientation, a place (in numbers and words), a small preview.
fn exif(orientation: u16, little: bool) -> Vec<u8> {
    let short = |n: u16| if little { n.to_le_bytes() } else { n.to_be_bytes() };
    let long = |n: u32| if little { n.to_le_bytes() } else { n.to_be_bytes() };
    let mut out = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
    out.extend(long(8));
    out.extend(short(3));
    let mut entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        out.extend(short(tag));
        out.extend(short(kind));
        out.extend(long(count));
        out.extend(value);
    };
    let secret = u32::try_from(SECRET.len()).expect("short");
    entry(0x010f, 2, secret, long(100));
    let [a, b] = short(orientation);
    entry(0x0112, 3, 1, [a, b, 0, 0]);
    entry(0x8825, 4, 1, long(100));
    out.extend(long(200));
    out.resize(100, 0);
    out.extend_from_slice(SECRET);
    out.resize(200, 0);
    // A preview, with the same in it.
    out.extend_from_slice(&[0xff, 0xd8, 0xff, 0xe1]);
    out.extend_from_slice(SECRET);
    out.extend_from_slice(&[0xff, 0xd9]);
    out
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).expect("short");
    [&[0xff, marker], &length.to_be_bytes()[..], content].concat()
}

/// What cameras and programs put into a JPEG.
fn jpeg_extras(orientation: u16, little: bool) -> Vec<Vec<u8>> {
    let with = |start: &[u8]| [start, SECRET].concat();
    vec![
        segment(0xe1, &[b"Exif\0\0", &exif(orientation, little)[..]].concat()),
        segment(0xe1, &with(b"http://ns.adobe.com/xap/1.0/\0")),
        // A part of longer XMP: whose part, of how much, from where.
        segment(
            0xe1,
            &with(b"http://ns.adobe.com/xmp/extension/\x000123456789abcdef0123456789abcdef\0\0\0\x17\0\0\0\0"),
        ),
        segment(0xed, &with(b"Photoshop 3.0\08BIM")),
        segment(0xe2, &with(b"MPF\0")),
        segment(0xee, &with(b"Adobe\0\x64\0\0\0\0\x01")),
        segment(0xef, &with(b"Samsung")),
        segment(0xfe, SECRET),
        // Bytes that belong to nothing.
        SECRET.to_vec(),
    ]
}

const ICC: &[u8] = b"ICC_PROFILE\0\x01\x01a profile of colours";

/// A JPEG with its head parts in this order, and a film behind it.
fn jpeg_with(extras: &[Vec<u8>]) -> Vec<u8> {
    let plain = encoded(ImageFormat::Jpeg);
    let mut bytes = plain[..2].to_vec();
    for extra in extras {
        bytes.extend_from_slice(extra);
    }
    bytes.extend_from_slice(&plain[2..]);
    bytes.extend_from_slice(b"\0\0\0\x18ftypmp42");
    bytes.extend_from_slice(SECRET);
    bytes
}

fn chunk(name: &[u8], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(name);
    crc.update(data);
    let length = u32::try_from(data.len()).expect("short");
    [&length.to_be_bytes()[..], name, data, &crc.sum().to_be_bytes()].concat()
}

fn png() -> Vec<u8> {
    let plain = encoded(ImageFormat::Png);
    let text = |start: &[u8]| [start, SECRET].concat();
    let head_ends = 8 + 25;
    let mut bytes = plain[..head_ends].to_vec();
    for extra in [
        chunk(b"eXIf", &exif(6, false)),
        chunk(b"tEXt", &text(b"Location\0")),
        chunk(b"iTXt", &text(b"XML:com.adobe.xmp\0\0\0\0\0")),
        chunk(b"zTXt", &text(b"Comment\0\0")),
        chunk(b"tIME", &[7, 233, 11, 3, 9, 0, 0]),
        chunk(b"caBX", SECRET),
        chunk(b"pHYs", &[0, 0, 11, 19, 0, 0, 11, 19, 1]),
    ] {
        bytes.extend(extra);
    }
    bytes.extend_from_slice(&plain[head_ends..]);
    bytes.extend_from_slice(SECRET);
    bytes
}

fn webp() -> Vec<u8> {
    let plain = encoded(ImageFormat::WebP);
    let part = |name: &[u8; 4], data: &[u8]| {
        let mut part = [&name[..], &u32::try_from(data.len()).expect("short").to_le_bytes(), data].concat();
        part.extend(std::iter::repeat_n(0, data.len() % 2));
        part
    };
    let (width, height) = (66_u32.to_le_bytes(), 40_u32.to_le_bytes());
    let head = [&[0x0c, 0, 0, 0][..], &width[..3], &height[..3]].concat();
    let mut body = b"WEBP".to_vec();
    body.extend(part(b"VP8X", &head));
    body.extend_from_slice(&plain[12..]);
    body.extend(part(b"EXIF", &exif(8, true)));
    body.extend(part(b"XMP ", SECRET));
    body.extend(part(b"JUNK", SECRET));
    let length = u32::try_from(body.len()).expect("short").to_le_bytes();
    [b"RIFF", &length[..], &body, SECRET].concat()
}

const GIF_PICTURE: &[u8] = b"\x21\xf9\x04\0\x0a\0\0\0,\0\0\0\0\x02\0\x01\0\0\x02\x02\x44\x0a\0";

fn gif(extras: bool) -> Vec<u8> {
    let mut bytes = b"GIF89a\x02\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    bytes.extend_from_slice(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
    if extras {
        bytes.extend_from_slice(b"\x21\xfe\x17");
        bytes.extend_from_slice(SECRET);
        bytes.extend_from_slice(b"\0\x21\xff\x0bXMP DataXMP\x17");
        bytes.extend_from_slice(SECRET);
        bytes.push(0);
    }
    bytes.extend_from_slice(GIF_PICTURE);
    bytes.push(0x3b);
    if extras {
        bytes.extend_from_slice(SECRET);
    }
    bytes
}

#[test]
fn a_photo_of_a_telephone_loses_its_place_and_keeps_its_picture() {
    for (orientation, little) in [(1, true), (3, false), (6, true), (8, false), (77, true)] {
        let mut extras = jpeg_extras(orientation, little);
        extras.push(segment(0xe2, ICC));
        let before = jpeg_with(&extras);
        assert!(holds(&before, SECRET));
        let after = clean(&before).expect("cleaned");
        assert!(!holds(&after, b"SECRET") && !holds(&after, b"Samsung") && !holds(&after, b"ftyp"));
        assert!(holds(&after, ICC), "its colours are kept");
        let (pixels, upright) = decoded(&after);
        assert_eq!(pixels, decoded(&before).0);
        let wanted = if (1..=8).contains(&orientation) { orientation } else { 1 };
        assert_eq!(u16::from(upright), wanted);
        assert_eq!(clean(&after).as_deref(), Ok(&after[..]), "cleaned again it is itself");
    }
}

#[test]
fn a_plain_jpeg_keeps_every_byte_of_its_picture() {
    let plain = encoded(ImageFormat::Jpeg);
    assert_eq!(clean(&plain).as_deref(), Ok(&plain[..]));
    // The preview that JFIF can have.
    let jfif = [b"JFIF\0\x01\x01\0\0\x01\0\x01\x02\x02", SECRET].concat();
    let after = clean(&jpeg_with(&[segment(0xe0, &jfif)])).expect("cleaned");
    assert!(!holds(&after, b"SECRET"));
    assert_eq!(decoded(&after).0, decoded(&plain).0);
}

#[test]
fn png_and_webp_lose_their_place_and_keep_their_picture() {
    for (before, upright) in [(png(), 6), (webp(), 8)] {
        let after = clean(&before).expect("cleaned");
        assert!(holds(&before, SECRET) && !holds(&after, b"SECRET"));
        assert_eq!(decoded(&after).0, decoded(&before).0);
        assert_eq!(clean(&after).as_deref(), Ok(&after[..]));
        assert!(holds(&after, &[1, 0x12, 0, 3, 0, 0, 0, 1, 0, upright, 0, 0]), "which way up it is");
    }
    assert!(holds(&clean(&png()).expect("cleaned"), b"pHYs"));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let plain = encoded(format);
        assert_eq!(clean(&plain).as_deref(), Ok(&plain[..]));
    }
}

#[test]
fn gif_loses_what_is_written_in_it() {
    assert_eq!(clean(&gif(true)), Ok(gif(false)));
    assert_eq!(clean(&gif(false)), Ok(gif(false)));
}

#[test]
fn what_cannot_be_cleaned_is_said() {
    let heic = [b"\0\0\0\x18ftypheic", SECRET].concat();
    assert_eq!(clean(&heic), Err(Unclean::Kind(Format::Heif)));
    assert_eq!(clean(b"II*\0\x08\0\0\0"), Err(Unclean::Kind(Format::Tiff)));
    assert_eq!(clean(b"\0\0\0\x1cftypMiHE\0\0\0\0mif1heic"), Err(Unclean::Kind(Format::Heif)));
    assert_eq!(clean(b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom"), Err(Unclean::Kind(Format::Raw)));
    for whole in [png(), webp(), gif(true), jpeg_with(&jpeg_extras(6, true))] {
        assert!(matches!(clean(&whole[..whole.len().min(60)]), Err(Unclean::Damaged(_))));
    }
    // Films and drawings are not pictures here.
    assert_eq!(Format::of(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"), None);
    assert_eq!(Format::of(b"\xff"), None);
    assert_eq!(Format::of(b"<svg xmlns="), None);
}

#[test]
fn a_jpeg_that_breaks_off_in_its_picture_is_cleaned_too() {
    let whole = jpeg_with(&jpeg_extras(6, true));
    let end = whole.len() - SECRET.len() - 200;
    let after = clean(&whole[..end]).expect("cleaned");
    assert!(!holds(&after, b"SECRET") && after.ends_with(&[0xff, 0xd9]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever a camera writes, in whatever order: it goes.
    #[test]
    fn nothing_that_is_written_into_a_jpeg_survives(
        kinds in prop::collection::vec(0_usize..9, 0..12), orientation in 0_u16..12, little: bool,
    ) {
        let all = jpeg_extras(orientation, little);
        let extras: Vec<_> = kinds.iter().map(|kind| all[*kind].clone()).collect();
        let before = jpeg_with(&extras);
        let after = clean(&before).expect("cleaned");
        prop_assert!(!holds(&after, b"SECRET"));
        prop_assert_eq!(decoded(&after).0, picture_as_jpeg());
        prop_assert_eq!(clean(&after), Ok(after));
    }

    /// Any bytes behind the head of a picture, and any change of a real one: an answer, and a stable one.
    #[test]
    fn any_bytes_are_answered(
        which in 0_usize..4, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(), cuts: bool, noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = [jpeg_with(&jpeg_extras(6, true)), png(), webp(), gif(true)][which].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
            bytes.extend(noise);
        }
        if let Ok(after) = clean(&bytes) {
            prop_assert!(after.len() <= bytes.len() + 64);
            prop_assert_eq!(clean(&after), Ok(after));
        }
    }
}

fn picture_as_jpeg() -> DynamicImage {
    decoded(&encoded(ImageFormat::Jpeg)).0
}
