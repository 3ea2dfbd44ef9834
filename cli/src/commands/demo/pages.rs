//! The demo's records, invented for it: one Markdown file each, as a school would publish it.

/// A page: its source, and its bytes.
pub(super) type Page = (&'static str, &'static [u8]);

/// What hillside shares.
pub(super) const HILLSIDE: &[Page] = &[
    ("hillside/fractions-on-a-number-line.md", include_bytes!("samples/hillside/fractions-on-a-number-line.md")),
    ("hillside/monday-quiz-year-4.md", include_bytes!("samples/hillside/monday-quiz-year-4.md")),
    ("hillside/note-monday-quiz-trial.md", include_bytes!("samples/hillside/note-monday-quiz-trial.md")),
    ("hillside/story-baskets-reception.md", include_bytes!("samples/hillside/story-baskets-reception.md")),
    ("hillside/teachmeet-march.md", include_bytes!("samples/hillside/teachmeet-march.md")),
    ("hillside/tip-three-seconds.md", include_bytes!("samples/hillside/tip-three-seconds.md")),
];

/// What northgate shares.
pub(super) const NORTHGATE: &[Page] = &[
    ("northgate/comparing-two-poems.md", include_bytes!("samples/northgate/comparing-two-poems.md")),
    (
        "northgate/hub-meeting-stretch-and-challenge.md",
        include_bytes!("samples/northgate/hub-meeting-stretch-and-challenge.md"),
    ),
    ("northgate/hub-meeting-summer.md", include_bytes!("samples/northgate/hub-meeting-summer.md")),
    ("northgate/note-retrieval-practice.md", include_bytes!("samples/northgate/note-retrieval-practice.md")),
    ("northgate/reading-a-science-graph.md", include_bytes!("samples/northgate/reading-a-science-graph.md")),
    ("northgate/shared-training-day.md", include_bytes!("samples/northgate/shared-training-day.md")),
    ("northgate/three-ways-to-go-deeper.md", include_bytes!("samples/northgate/three-ways-to-go-deeper.md")),
];

/// What brook shares.
pub(super) const BROOK: &[Page] = &[
    ("brook/note-whole-class-feedback.md", include_bytes!("samples/brook/note-whole-class-feedback.md")),
    ("brook/sorting-without-a-computer.md", include_bytes!("samples/brook/sorting-without-a-computer.md")),
    ("brook/ten-frames-year-1.md", include_bytes!("samples/brook/ten-frames-year-1.md")),
    ("brook/ten-questions-for-coaching.md", include_bytes!("samples/brook/ten-questions-for-coaching.md")),
    ("brook/wow-week.md", include_bytes!("samples/brook/wow-week.md")),
];
