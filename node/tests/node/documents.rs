//! Titles and text out of documents, and what hostile ones get.

use std::io::{Cursor, Write as _};

use proptest::prelude::*;
use staffroom_node::exchange::reading::{NoText, Reading, TEXT, read};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A zip file with these parts.
fn zipped(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(*name, options).expect("a part");
        zip.write_all(text.as_bytes()).expect("written");
    }
    zip.finish().expect("a zip").into_inner()
}

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships/metadata";

/// Relations: id, kind, target.
fn relations(all: &[(&str, &str, &str)]) -> String {
    let one = |(id, kind, target): &(&str, &str, &str)| {
        let base = if *kind == "core-properties" { PACKAGE } else { OFFICE };
        format!(r#"<Relationship Id="{id}" Type="{base}/{kind}" Target="{target}"/>"#)
    };
    format!("<Relationships>{}</Relationships>", all.iter().map(one).collect::<String>())
}

fn core(title: &str) -> String {
    format!("<cp:coreProperties><dc:creator>A. Teacher</dc:creator><dc:title>{title}</dc:title></cp:coreProperties>")
}

fn main_relations(main: &str) -> String {
    relations(&[("rId1", "officeDocument", main), ("rId2", "core-properties", "docProps/core.xml")])
}

fn docx(title: &str, body: &str) -> Vec<u8> {
    let styles = r#"<w:styles><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
        <w:style w:styleId="Titel"><w:name w:val="Title"/></w:style></w:styles>"#;
    let document = format!(r#"<?xml version="1.0" encoding="UTF-8"?><w:document><w:body>{body}</w:body></w:document>"#);
    zipped(&[
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", &main_relations("word/document.xml")),
        ("docProps/core.xml", &core(title)),
        ("word/document.xml", &document),
        ("word/styles.xml", styles),
        ("word/vbaProject.bin", "MACRO"),
        ("word/_rels/document.xml.rels", &relations(&[("rId1", "styles", "styles.xml")])),
    ])
}

const LESSON: &str = r#"
    <w:p><w:r><w:t>Northgate Academy</w:t></w:r></w:p>
    <w:p><w:pPr><w:pStyle w:val="Titel"/><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>
      <w:r><w:t xml:space="preserve">Fractions </w:t></w:r><w:r><w:t>on a line</w:t></w:r></w:p>
    <w:p><w:r><w:t>Salt &amp; pepper &#8212; caf&#xe9;</w:t><w:tab/><w:t>then</w:t><w:br/><w:t>more</w:t></w:r>
      <w:del><w:r><w:delText>DELETED</w:delText></w:r></w:del>
      <w:moveFrom><w:r><w:t>MOVED</w:t></w:r></w:moveFrom>
      <w:r><w:instrText>HYPERLINK</w:instrText></w:r></w:p>
    <w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent>
      </mc:Choice><mc:Fallback><w:p><w:r><w:t>In a box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent></w:r></w:p>
    <w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"#;
const LESSON_TEXT: &str =
    "Northgate Academy\nFractions on a line\nSalt & pepper \u{2014} café then\nmore\nIn a box\ncell";

fn pptx(title: &str) -> Vec<u8> {
    let slide = |title: &str, body: &str| {
        format!(
            r#"<p:sld><p:sp><p:nvPr><p:ph type="title"/></p:nvPr><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:sp>
            <p:sp><p:nvPr><p:ph idx="1"/></p:nvPr><a:p><a:r><a:t>{body}</a:t></a:r></a:p></p:sp>
            <p:sp><p:nvPr><p:ph type="sldNum"/></p:nvPr><a:p><a:fld><a:t>7</a:t></a:fld></a:p></p:sp></p:sld>"#
        )
    };
    let notes = r#"<p:notes><p:sp><p:nvPr><p:ph type="body"/></p:nvPr><a:p><a:r><a:t>Ask Maya first</a:t></a:r></a:p></p:sp>
        <p:sp><p:nvPr><p:ph type="sldNum"/></p:nvPr><a:p><a:r><a:t>1</a:t></a:r></a:p></p:sp></p:notes>"#;
    let order = r#"<p:presentation><p:sldIdLst><p:sldId id="300" r:id="rId9"/><p:sldId id="256" r:id="rId3"/>
        </p:sldIdLst></p:presentation>"#;
    zipped(&[
        ("_rels/.rels", &main_relations("/ppt/presentation.xml")),
        ("docProps/core.xml", &core(title)),
        ("ppt/presentation.xml", order),
        (
            "ppt/_rels/presentation.xml.rels",
            &relations(&[("rId3", "slide", "slides/slide1.xml"), ("rId9", "slide", "slides/slide2.xml")]),
        ),
        ("ppt/slides/slide1.xml", &slide("Second", "last words")),
        ("ppt/slides/slide2.xml", &slide("Why the sky is blue", "light scatters")),
        ("ppt/slides/_rels/slide2.xml.rels", &relations(&[("rId1", "notesSlide", "../notesSlides/n1.xml")])),
        ("ppt/notesSlides/n1.xml", notes),
    ])
}

fn xlsx() -> Vec<u8> {
    let sheet = r#"<worksheet><sheetData><row><c t="s"><v>1</v></c><c t="s"><v>0</v></c></row>
        <row><c><v>45123</v></c><c t="inlineStr"><is><t>written here</t></is></c><c t="s"><v>999</v></c></row>
        <row><c t="str"><f>A1&amp;B1</f><v>joined</v></c></row></sheetData></worksheet>"#;
    zipped(&[
        ("_rels/.rels", &main_relations("xl/workbook.xml")),
        ("docProps/core.xml", &core("Book1")),
        ("xl/workbook.xml", r#"<workbook><sheets><sheet name="Autumn" sheetId="1" r:id="rId1"/></sheets></workbook>"#),
        (
            "xl/_rels/workbook.xml.rels",
            &relations(&[
                ("rId1", "worksheet", "worksheets/sheet1.xml"),
                ("rId2", "sharedStrings", "sharedStrings.xml"),
            ]),
        ),
        (
            "xl/sharedStrings.xml",
            "<sst><si><t>reading age</t></si><si><r><t>na</t></r><r><t>me</t></r><rPh><t>NAME</t></rPh></si></sst>",
        ),
        ("xl/worksheets/sheet1.xml", sheet),
    ])
}

fn open_document(kind: &str, title: &str, content: &str) -> Vec<u8> {
    zipped(&[
        ("mimetype", &format!("application/vnd.oasis.opendocument.{kind}")),
        ("content.xml", content),
        ("meta.xml", &format!("<office:meta><dc:title>{title}</dc:title></office:meta>")),
        ("META-INF/manifest.xml", "<manifest:manifest/>"),
    ])
}

fn odt(title: &str) -> Vec<u8> {
    let content = r#"<office:document-content><office:automatic-styles>
        <style:style style:name="P1" style:parent-style-name="Title"/></office:automatic-styles><office:body><office:text>
        <text:tracked-changes><text:p>DELETED</text:p></text:tracked-changes>
        <text:p text:style-name="P1">Exit<text:s text:c="2"/>tickets</text:p>
        <text:p>One<text:tab/>two<office:annotation><text:p>COMMENT</text:p></office:annotation> three</text:p>
        </office:text></office:body></office:document-content>"#;
    open_document("text", title, content)
}

fn pdf(info: &str, content: &str) -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        format!("<< {info} >>"),
    ];
    let (mut out, mut places) = (b"%PDF-1.4\n".to_vec(), Vec::new());
    for (number, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).bytes());
    }
    let table = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for place in places {
        out.extend(format!("{place:010} 00000 n \n").bytes());
    }
    out.extend(format!("trailer << /Size 7 /Root 1 0 R /Info 6 0 R >>\nstartxref\n{table}\n%%EOF\n").bytes());
    out
}

const PAGE: &str = "BT /F1 24 Tf 72 770 Td (Tip of) Tj 80 0 Td (the week) Tj ET\n\
    BT /F1 11 Tf 72 730 Td [(W) 80 (ait three seco) -10 (nds,)] TJ 0 -14 Td [(then)-400(three more.)] TJ ET\n\
    BT /F1 11 Tf 72 690 Td (Na\\357ve caf\\351) Tj ET\n";

fn title(bytes: &[u8]) -> Option<String> {
    read(bytes).expect("read").title
}

#[test]
fn word_documents_say_their_words_and_their_title() {
    let lesson = read(&docx("Microsoft Word - Document1", LESSON)).expect("read");
    let own = Some("Fractions on a line".to_owned());
    assert_eq!(lesson, Reading { title: own, text: LESSON_TEXT.to_owned(), cut: false });
    assert_eq!(title_of_docx("Fractions, week 3"), Some("Fractions, week 3".into()));
    assert_eq!(title_of_docx(""), Some("Fractions on a line".into()));
    assert_eq!(title(&docx("", "<w:p><w:r><w:t>no heading</w:t></w:r></w:p>")), None);
}

fn title_of_docx(own: &str) -> Option<String> {
    title(&docx(own, LESSON))
}

#[test]
fn presentations_go_by_the_order_of_their_slides() {
    let talk = read(&pptx("PowerPoint Presentation")).expect("read");
    assert_eq!(talk.title.as_deref(), Some("Why the sky is blue"));
    assert_eq!(talk.text, "Why the sky is blue\nlight scatters\nAsk Maya first\n\nSecond\nlast words");
}

#[test]
fn spreadsheets_say_the_words_in_their_cells() {
    let table = read(&xlsx()).expect("read");
    assert_eq!(
        table,
        Reading { title: None, text: "Autumn\nname\treading age\nwritten here\njoined".into(), cut: false }
    );
}

#[test]
fn open_documents_are_read_too() {
    let text = read(&odt("")).expect("read");
    assert_eq!((text.title.as_deref(), text.text.as_str()), (Some("Exit tickets"), "Exit tickets\nOne two three"));
    assert_eq!(title(&odt("Tickets for the door")), Some("Tickets for the door".into()));
    let slides = "<office:body><draw:page><draw:frame presentation:class=\"title\"><text:p>Story <text:span>baskets\
        </text:span></text:p></draw:frame><draw:frame><text:p>a point</text:p></draw:frame></draw:page></office:body>";
    let talk = read(&open_document("presentation", "Untitled", slides)).expect("read");
    assert_eq!((talk.title.as_deref(), talk.text.as_str()), (Some("Story baskets"), "Story baskets\na point"));
    let cells = "<office:body><table:table table:name=\"Autumn\"><table:table-row><table:table-cell><text:p>a</text:p>\
        </table:table-cell><table:table-cell table:number-columns-repeated=\"9999999\"/><table:table-cell><text:p>b\
        </text:p></table:table-cell></table:table-row></table:table></office:body>";
    let table = read(&open_document("spreadsheet", "", cells)).expect("read");
    assert_eq!((table.title, table.text.as_str()), (None, "Autumn\na\tb"));
}

#[test]
fn pdfs_say_their_words_line_by_line() {
    let page = read(&pdf("/Title (\\376\\377\\000T\\000i\\000p)", PAGE)).expect("read");
    assert_eq!(page.text, "Tip of the week\nWait three seconds,\nthen three more.\nNaïve café");
    assert_eq!(page.title.as_deref(), Some("Tip"));
    assert_eq!(title(&pdf("/Title (lesson.docx)", PAGE)), Some("Tip of the week".into()));
    let even = "BT /F1 11 Tf 72 730 Td (one line) Tj 0 -14 Td (another) Tj ET";
    assert_eq!(title(&pdf("", even)), None, "no line is larger than the others");
    let upright = "BT /F1 11 Tf 0 1 -1 0 72 72 Tm (up the margin) Tj ET";
    assert_eq!(read(&pdf("", upright)).expect("read").text, "up the margin");
}

#[test]
fn a_pdf_without_its_table_is_found_again() {
    let whole = pdf("/Title (Lost and found)", PAGE);
    let table = whole.windows(4).position(|four| four == b"xref").expect("a table");
    assert_eq!(read(&whole[..table]).expect("read").text.lines().next(), Some("Tip of the week"));
}

#[test]
fn the_content_decides_and_not_the_name() {
    // A PDF behind what a mail program put before it.
    let behind = [b"\r\nContent-Type: x\r\n\r\n", &pdf("", PAGE)[..]].concat();
    assert!(read(&behind).is_ok());
    assert_eq!(read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 an old document"), Err(NoText::OldOffice));
    assert_eq!(read(b"{\\rtf1 text}"), Err(NoText::UnknownFormat));
    assert_eq!(read(b""), Err(NoText::UnknownFormat));
    assert_eq!(read(&zipped(&[("photos/1.jpg", "x")])), Err(NoText::UnknownFormat));
    assert_eq!(read(&docx("", "")), Err(NoText::Nothing));
}

#[test]
fn passwords_are_said() {
    let encrypted = zipped(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"),
        ("content.xml", "\u{1}\u{2}"),
    ]);
    assert_eq!(read(&encrypted), Err(NoText::Encrypted));
    let mut locked = docx("", LESSON);
    // The flag of a part with a password, in both heads of each part.
    for at in 0..locked.len() - 10 {
        match &locked[at..at + 4] {
            b"PK\x03\x04" => locked[at + 6] |= 1,
            b"PK\x01\x02" => locked[at + 8] |= 1,
            _ => {}
        }
    }
    assert_eq!(read(&locked), Err(NoText::Encrypted));
    let with_password = String::from_utf8_lossy(&pdf("", PAGE)).replace(
        "/Root 1 0 R",
        "/Root 1 0 R /ID [<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>] /Encrypt << /Filter \
         /Standard /V 1 /R 2 /P -4 /O <00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff> /U \
         <00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff> >>",
    );
    assert_eq!(read(with_password.as_bytes()), Err(NoText::Encrypted));
}

#[test]
fn what_unfolds_without_end_ends() {
    let bomb = docx("", &"<w:p/>".repeat(14 << 20));
    assert!(bomb.len() < 1 << 20, "{} bytes that unfold to 84 MiB", bomb.len());
    assert_eq!(read(&bomb), Err(NoText::TooMuch("it unfolds to more than any document has")));
    let deep = docx("", &"<w:sdt>".repeat(100_000));
    assert_eq!(read(&deep), Err(NoText::TooMuch("its elements lie too deep in each other")));
    let laughs = r#"<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><w:document><w:t>&b;</w:t></w:document>"#;
    let laughs = zipped(&[("_rels/.rels", &main_relations("a.xml")), ("a.xml", laughs)]);
    assert_eq!(read(&laughs), Err(NoText::TooMuch("it defines entities of its own")));
    let outside = docx("", "<w:p><w:r><w:t>a &file; b</w:t></w:r></w:p>");
    assert_eq!(read(&outside).expect("read").text, "a b");
    let long = read(&docx("", &"<w:p><w:r><w:t>more and more</w:t></w:r></w:p>".repeat(100_000))).expect("read");
    assert!(long.cut && long.text.len() <= TEXT && long.text.len() > TEXT - 100);
}

#[test]
fn a_pdf_that_refers_to_itself_ends() {
    let whole = String::from_utf8(pdf("", PAGE)).expect("ASCII");
    for (from, to) in [
        ("/Kids [3 0 R]", "/Kids [2 0 R]"),
        ("/Contents 4 0 R", "/Contents 3 0 R"),
        ("/Type /Font /Subtype /Type1", "/Type /Font /Subtype /Type0 /DescendantFonts [5 0 R]"),
        ("/Parent 2 0 R", "/Parent 3 0 R"),
    ] {
        let cyclic = whole.replace(from, to);
        assert_ne!(cyclic, whole);
        // That it comes back is what is tested: with the text or with a reason.
        let _ = read(cyclic.as_bytes());
    }
    let form = whole
        .replace("/Font << /F1 5 0 R >>", "/Font << /F1 5 0 R >> /XObject << /X 4 0 R >>")
        .replace("<< /Length", "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Length")
        .replace("(Na\\357ve caf\\351) Tj ET", "(Na) Tj ET /X Do     ");
    assert!(read(form.as_bytes()).expect("read").text.starts_with("Tip of the week"));
}

fn samples() -> [Vec<u8>; 4] {
    [docx("A title", LESSON), pptx("A title"), xlsx(), odt("A title")]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any change of a container, and of what is in it: text or a reason.
    #[test]
    fn changed_documents_are_answered(
        which in 0_usize..4, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = samples()[which].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = read(&bytes) {
            prop_assert!(read.text.len() <= TEXT);
        }
    }

    /// Any words in elements of any of the names that mean something, closed or not.
    #[test]
    fn any_elements_are_answered(parts in prop::collection::vec((0_usize..16, any::<bool>(), ".{0,8}"), 0..60)) {
        const NAMES: [&str; 16] = ["w:p", "w:r", "w:t", "w:tab", "w:br", "mc:Fallback", "w:moveFrom", "w:pStyle",
            "a:p", "a:t", "sp", "ph", "text:p", "text:h", "draw:frame", "table:table-cell"];
        let mut body = String::new();
        for (name, open, text) in parts {
            body.push_str(&format!("<{}{}>{}", if open { "" } else { "/" }, NAMES[name], text.replace('<', "&lt;")));
        }
        let _ = read(&docx("", &body));
        let _ = read(&open_document("text", "", &format!("<office:body>{body}")));
        let _ = read(&open_document("presentation", "", &format!("<office:body>{body}")));
        let _ = read(&zipped(&[("_rels/.rels", &main_relations("s.xml")),
            ("s.xml", "<workbook><sheet name=\"a\" r:id=\"r\"/></workbook>"),
            ("_rels/s.xml.rels", &relations(&[("r", "worksheet", "t.xml"), ("q", "sharedStrings", "t.xml")])),
            ("t.xml", &body)]));
    }

    /// Any bytes at all.
    #[test]
    fn any_bytes_are_answered(start in 0_usize..4, bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let start: &[u8] = [&b"PK\x03\x04"[..], b"", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x05\x06"][start];
        let _ = read(&[start, &bytes].concat());
    }
}
