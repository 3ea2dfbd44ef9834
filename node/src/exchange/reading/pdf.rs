//! PDF (ISO 32000): the letters of each page in the order in which it draws them, put together to lines.
//!
//! A PDF knows letters and places, no words. A gap that is wider than a narrow space is a space; a letter
//! that stands higher or lower than the one before begins a line. Pages that were scanned hold pictures of
//! letters, and so no text.

use hayro_interpret::font::{Glyph, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::{LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, RenderContent, SoftMask, interpret_page,
};

use super::words::Words;
use super::{NoText, Reading, title};

/// How many pages are read.
const PAGES: usize = 2_000;
/// A gap as wide as this part of the letters' height is a space.
const SPACE: f64 = 0.15;
/// A step up or down of this part of the letters' height is another line.
const LINE: f64 = 0.4;
/// A title is set larger than the rest of its page, by this much.
const LARGER: f64 = 1.15;

pub(super) fn read(bytes: &[u8]) -> Result<Reading, NoText> {
    let pdf = Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(_) => NoText::Encrypted,
        LoadPdfError::Invalid => NoText::Damaged("it is no PDF that can be followed".to_owned()),
    })?;
    let settings = InterpreterSettings { render_content: RenderContent::PAGE, ..InterpreterSettings::default() };
    let cache = InterpreterCache::new();
    let mut page_text = PageText::default();
    let mut heading = None;
    for page in pdf.pages().iter().take(PAGES) {
        // Where things stand on the page matters, its size does not.
        let anywhere = Rect::new(0.0, 0.0, 1.0, 1.0);
        let mut context = Context::new(Affine::IDENTITY, anywhere, &cache, pdf.xref(), settings.clone());
        interpret_page(page, &mut context, &mut page_text);
        page_text.words.part();
        heading = heading.or_else(|| page_text.largest());
        page_text.lines.clear();
        page_text.last = None;
        if page_text.words.is_full() {
            break;
        }
    }
    let own = pdf.metadata().title.as_deref().map(string).and_then(|own| title::property(&own));
    let read = page_text.words.done();
    Ok(Reading { title: own.or(heading), ..read })
}

/// A string of a PDF outside of its pages: UTF-16, UTF-8 or PDFDocEncoding, which is Latin-1 where it matters.
fn string(bytes: &[u8]) -> String {
    if let Some(wide) = bytes.strip_prefix(b"\xfe\xff") {
        let units: Vec<u16> = wide.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
        return String::from_utf16_lossy(&units);
    }
    if let Some(text) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return String::from_utf8_lossy(text).into_owned();
    }
    bytes.iter().map(|byte| latin(*byte)).collect()
}

/// PDFDocEncoding (ISO 32000-1, annex D.3), where it differs from Latin-1 in print.
fn latin(byte: u8) -> char {
    match byte {
        0x84 => '\u{2014}',
        0x85 => '\u{2013}',
        0x8d => '\u{201c}',
        0x8e => '\u{201d}',
        0x8f => '\u{2018}',
        0x90 => '\u{2019}',
        0xa0 => '\u{20ac}',
        other => char::from(other),
    }
}

/// Gathers what a page draws.
#[derive(Default)]
struct PageText {
    words: Words,
    /// Where the last letter ended, and how high it was.
    last: Option<(Point, f64)>,
    /// The lines of this page: their letters' height, and their text.
    lines: Vec<(f64, String)>,
}

/// How many lines of a page, and how much of each, are looked at for its title.
const LINES: usize = 200;
const LINE_LENGTH: usize = 400;

impl PageText {
    fn letter(&mut self, said: &str, start: Point, end: Point, height: f64) {
        if self.words.is_full() || !(start.x.is_finite() && start.y.is_finite() && height.is_finite()) {
            return;
        }
        let mut begins_line = self.last.is_none();
        if let Some((last, last_height)) = self.last {
            let unit = height.min(last_height).max(f64::MIN_POSITIVE);
            // Along the line that this letter stands on, and across it: text may stand upright.
            let (step, along) = (start - last, end - start);
            let along = along / along.hypot().max(f64::MIN_POSITIVE);
            let (gap, off) = (step.dot(along), step.cross(along).abs());
            if off > LINE * unit || gap < -2.0 * unit {
                self.words.line();
                begins_line = true;
            } else if gap > SPACE * unit {
                self.space();
            }
        }
        self.words.push(said);
        if begins_line && self.lines.len() < LINES {
            self.lines.push((height, String::new()));
        }
        self.add_to_line(said);
        self.last = Some((end, height));
    }

    fn space(&mut self) {
        self.words.space();
        self.add_to_line(" ");
    }

    fn add_to_line(&mut self, said: &str) {
        if let Some((_, line)) = self.lines.last_mut().filter(|(_, line)| line.len() < LINE_LENGTH) {
            line.push_str(said);
        }
    }

    /// The lines that are set largest, where they are larger than most of the page.
    fn largest(&self) -> Option<String> {
        let said = |line: &&(f64, String)| line.1.trim().chars().count() > 1;
        let largest = self.lines.iter().filter(said).map(|(height, _)| *height).fold(0.0, f64::max);
        let mut heights: Vec<f64> = self.lines.iter().filter(said).map(|(height, _)| *height).collect();
        heights.sort_by(f64::total_cmp);
        let usual = *heights.get(heights.len() / 2)?;
        if heights.len() > 1 && largest < usual * LARGER {
            return None;
        }
        let is_large = |line: &&(f64, String)| line.0 > largest * 0.98;
        let first = self.lines.iter().filter(said).skip_while(|line| !is_large(line));
        let lines: Vec<&str> = first.take_while(is_large).map(|(_, line)| line.trim()).collect();
        title::heading(&lines.join(" "))
    }
}

impl<'a> Device<'a> for PageText {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        for glyph in run.glyphs() {
            let place = props.transform * glyph.transform();
            let width = match &**glyph {
                Glyph::Outline(outline) => outline.advance_width().map(f64::from),
                Glyph::Type3(_) => None,
            };
            // Letters are drawn in units of which a thousand are their height.
            let (start, up) = (place * Point::ZERO, place * Point::new(0.0, 1_000.0));
            let end = place * Point::new(width.unwrap_or(500.0), 0.0);
            let height = (up - start).hypot();
            match glyph.as_unicode() {
                Some(BfString::Char(c)) => self.letter(c.encode_utf8(&mut [0; 4]), start, end, height),
                Some(BfString::String(text)) => self.letter(&text, start, end, height),
                None => {}
            }
        }
    }
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_clip_rect(&mut self, _: &Rect) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {}
    fn draw_rect(&mut self, _: &Rect, _: DrawProps<'a>, _: &DrawMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn strings_are_read_in_each_of_their_encodings() {
        assert_eq!(string(b"\xfe\xff\0F\0\xfc\0r"), "Für");
        assert_eq!(string(b"\xef\xbb\xbfF\xc3\xbcr"), "Für");
        assert_eq!(string(b"F\xfcr \x8dx\x8e"), "Für \u{201c}x\u{201d}");
        assert_eq!(string(b"\xfe\xff\0"), "");
    }
}
