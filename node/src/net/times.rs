//! How long the network waits for what. Tests wait less.

use std::time::Duration;

/// What a peer has time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// One frame, from its first byte, whatever its size.
    pub frame: Duration,
    /// What a stranger says next: what it wants, its number, its chain.
    pub ask: Duration,
    /// How often each end of a connection is heard.
    pub beat: Duration,
    /// How long nothing may come on a connection: some beats, and some time for a slow line.
    pub silence: Duration,
    /// How long a stranger may stay without joining.
    pub stranger: Duration,
    /// How long who was dialled leaves the opening of streams to who dialled.
    pub courtesy: Duration,
    /// How long a partner that was asked for chunks of a file may send no byte of them: less than the minute in
    /// which somebody else takes its place. How fast it is, and a file comes, is measured over as long.
    pub chunk: Duration,
    /// The first pause after a failure: the next ones are longer.
    pub pause: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            frame: Duration::from_secs(30),
            ask: Duration::from_secs(10),
            beat: Duration::from_secs(5),
            silence: Duration::from_secs(18),
            stranger: Duration::from_secs(10),
            courtesy: Duration::from_millis(500),
            chunk: Duration::from_secs(45),
            pause: Duration::from_millis(500),
        }
    }
}
