//! Pages of Markdown with front matter in any shape, and the form of the editor.
#![no_main]

use libfuzzer_sys::fuzz_target;
use staffroom_node::exchange::{Options, form, markdown};
use staffroom_protocol::record::kind::KINDS;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(page) = markdown::read("page.md", "page.md", bytes, &Options::default()) {
        let _ = format!("{page:?}");
    }
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    for kind in KINDS {
        let Ok(fields) = form::from_form(kind, text) else { continue };
        let again = form::from_form(kind, &form::to_form(kind, &fields));
        assert_eq!(again, Ok(fields), "a form that is saved untouched changes nothing");
    }
});
