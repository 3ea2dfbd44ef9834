//! Whether what stands where a title should is one.
//!
//! Programs write titles of their own: *Microsoft Word - Document1*, *PowerPoint Presentation*, the name of
//! the template, the name of the file. Such a title says less than the file's name does today.

use staffroom_protocol::limits;

/// The longest heading that reads as a title, characters: a paragraph that is set as a heading is none.
const HEADING: usize = 160;

/// What programs put there; compared without numbers, spaces and capitals.
const SAY_NOTHING: [&str; 22] = [
    "document",
    "documento",
    "dokument",
    "worddocument",
    "presentation",
    "présentation",
    "powerpointpresentation",
    "powerpoint",
    "slide",
    "book",
    "workbook",
    "sheet",
    "spreadsheet",
    "untitled",
    "untitleddocument",
    "untitledpresentation",
    "untitledspreadsheet",
    "title",
    "notitle",
    "template",
    "lessonplantemplate",
    "clicktoedittitle",
];
/// Endings of names of files.
const ENDINGS: [&str; 22] = [
    ".doc", ".docx", ".docm", ".dot", ".dotx", ".dotm", ".ppt", ".pptx", ".pptm", ".pot", ".potx", ".xls", ".xlsx",
    ".xlsm", ".odt", ".odp", ".ods", ".pdf", ".pub", ".rtf", ".indd", ".pages",
];

/// A document's own title, if it says something.
pub(super) fn property(title: &str) -> Option<String> {
    let title = one_line(title);
    let lower = title.to_lowercase();
    let by_printer = ["microsoft word - ", "microsoft powerpoint - ", "microsoft excel - "];
    let name_of_a_file = ENDINGS.iter().any(|ending| lower.ends_with(ending));
    if by_printer.iter().any(|start| lower.starts_with(start)) || name_of_a_file {
        return None;
    }
    says_something(&lower, &title, limits::TITLE).then_some(title)
}

/// A heading, if it can be a title.
pub(super) fn heading(heading: &str) -> Option<String> {
    let heading = one_line(heading);
    says_something(&heading.to_lowercase(), &heading, HEADING).then_some(heading)
}

fn says_something(lower: &str, title: &str, most: usize) -> bool {
    let bare: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    bare.chars().count() >= 2 && title.chars().count() <= most && !SAY_NOTHING.contains(&bare.as_str())
}

fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_put_there_is_no_title() {
        for nothing in [
            "",
            " ",
            "Microsoft Word - Document1",
            "Document 1",
            "PowerPoint Presentation",
            "Slide 1",
            "Untitled",
            "Microsoft Word - Year 7 fractions.doc",
            "fractions_v3_FINAL.docx",
            "Normal.dotm",
            "2024-11-03",
            "Book1",
            "-",
            "A",
            "\u{0}\u{1}",
        ] {
            assert_eq!(property(nothing), None, "{nothing:?}");
        }
        assert_eq!(property(" Fractions:\n a warm-up\u{0} "), Some("Fractions: a warm-up".into()));
        assert_eq!(property("Book reviews in Year 5"), Some("Book reviews in Year 5".into()));
        assert_eq!(heading(&"long ".repeat(100)), None);
        assert_eq!(property(&"x".repeat(301)), None);
    }
}
