//! What a seed's run is made of: how many nodes, which troubles, how many of each.

pub use staffroom_protocol::planted::Planted as Rule;

use super::random::Random;

/// A fault planted on purpose, which some invariant must catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A store answers before what it was given is durable, and loses it in a crash.
    LostFlush,
    /// A fault of the rules themselves.
    Rule(Rule),
    /// A proposer lists cuts one entry too low.
    CutTooLow,
    /// A node forgets that its tickets were used when it starts again.
    TicketTwice,
    /// What stands above a cut is sent.
    AsideServed,
    /// Votes are forgotten when a node starts again.
    YesForgotten,
    /// Nobody tells of a fork.
    ForkKept,
    /// Nodes take entries in without checking signatures, and one sends damaged ones.
    SkippedSignature,
}

/// The make-up of one run. Each trouble is off in some seeds, so that none hides another.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The name of the function that makes it, by which it is played again.
    pub name: &'static str,
    /// The seed.
    pub seed: u64,
    /// How many nodes, one for each school.
    pub nodes: usize,
    /// How long the safety phase lasts, virtual milliseconds.
    pub safety_ms: u64,
    /// How long after healing all must agree, virtual milliseconds.
    pub liveness_ms: u64,
    /// How many partners a node dials at most by itself.
    pub dials: usize,
    /// The pause between two acts of a school, at most, virtual milliseconds.
    pub pause_ms: u64,
    /// Clusters that are founded.
    pub clusters: usize,
    /// How long a group commit waits, at most, virtual milliseconds.
    pub flush_ms: u64,
    /// Latency of a link, at most, virtual milliseconds.
    pub latency_ms: u64,
    /// Frames lost, each breaking its session, in a thousand.
    pub loss: u64,
    /// Sessions in a thousand whose frames are dropped, doubled and turned round.
    pub hostile: u64,
    /// Batches of entries in a thousand in which a signature is damaged by who sends them.
    pub damage: u64,
    /// The pause between two troubles, at most; none where it is 0.
    pub trouble_ms: u64,
    /// Which troubles there are.
    pub troubles: Vec<Trouble>,
    /// Records that one school imports at once: several batches, more than credit allows at a time.
    pub import: u64,
    /// The pause between two lies of the last node, at most; it does not lie where it is 0.
    pub lie_ms: u64,
    /// Acts in a thousand that are about who belongs: proposals, votes, leaving, keys.
    pub belonging: u64,
    /// Acts in a thousand by which a record is erased.
    pub erasing: u64,
    /// Whether all that people do is to write in one record.
    pub together: bool,
    /// The fault planted on purpose.
    pub planted: Option<Planted>,
}

/// What befalls nodes and network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A node is gone at once, and starts again later.
    Crash,
    /// The network falls in two, or grows together.
    Partition,
    /// A node's clock jumps.
    ClockJump,
    /// A node's disk fails at the next commit.
    DiskFails,
    /// A connection breaks.
    Break,
    /// A node refuses to talk to another for a while.
    Refuse,
    /// A node's store is kept, and put back later.
    Restore,
    /// A node runs twice, with one set of keys.
    Copy,
}

impl Plan {
    /// Three to five nodes.
    pub fn small(seed: u64) -> Self {
        let mut random = Random::new(seed, 1);
        let nodes = 3 + random.place(3);
        Self::of(seed, nodes, 90_000, &mut random)
    }
    /// The same with one that lies.
    pub fn with_a_liar(seed: u64) -> Self {
        Self { name: "liar", lie_ms: 6_000, belonging: 0, ..Self::small(seed) }
    }
    /// Twenty nodes, sparsely connected.
    pub fn large(seed: u64) -> Self {
        let mut random = Random::new(seed, 2);
        let plan = Self::of(seed, 20, 90_000, &mut random);
        Self { name: "large", dials: 2 + random.place(2), pause_ms: 12_000, clusters: 1, ..plan }
    }

    /// A hundred nodes.
    pub fn huge(seed: u64) -> Self {
        let mut random = Random::new(seed, 4);
        let plan = Self::of(seed, 100, 120_000, &mut random);
        Self { name: "huge", dials: 2, pause_ms: 20_000, clusters: 1, trouble_ms: 1_000, ..plan }
    }

    /// Three to twenty nodes whose people all write in one record.
    pub fn together(seed: u64) -> Self {
        let mut random = Random::new(seed, 5);
        let nodes = 3 + random.place(18);
        let plan = Self::of(seed, nodes, 60_000, &mut random);
        Self { name: "together", together: true, belonging: 0, erasing: 0, clusters: 1, import: 0, ..plan }
    }

    fn of(seed: u64, nodes: usize, safety_ms: u64, random: &mut Random) -> Self {
        let all = [Trouble::Crash, Trouble::Partition, Trouble::ClockJump, Trouble::DiskFails, Trouble::Break];
        let mut troubles: Vec<Trouble> = all.into_iter().filter(|_| random.per_mille(600)).collect();
        let rarer = [Trouble::Refuse];
        troubles.extend(rarer.into_iter().filter(|_| random.per_mille(250)));
        let sometimes = |random: &mut Random, times: u64, most: u64| {
            if random.per_mille(times) { 1 + random.below(most) } else { 0 }
        };
        Self {
            name: "small",
            seed,
            nodes,
            safety_ms,
            liveness_ms: 300_000,
            dials: if random.per_mille(700) { nodes } else { 1 },
            pause_ms: random.between(2_000, 6_000),
            clusters: 1 + usize::from(random.per_mille(200)),
            flush_ms: random.between(2, 400),
            latency_ms: random.between(2, 300),
            loss: sometimes(random, 500, 20),
            hostile: sometimes(random, 400, 500),
            damage: sometimes(random, 200, 100),
            trouble_ms: if troubles.is_empty() { 0 } else { random.between(2_000, 15_000) },
            troubles,
            import: sometimes(random, 50, 1_400),
            lie_ms: 0,
            belonging: if random.per_mille(700) { random.between(50, 500) } else { 0 },
            together: false,
            // From a stream of its own: what else a seed does stays as it was.
            erasing: sometimes(&mut Random::new(seed, 6), 500, 150),
            planted: None,
        }
    }

    /// Three to five nodes, some of which go on from an earlier state or run twice.
    pub fn forking(seed: u64) -> Self {
        let mut plan = Self::small(seed);
        plan.troubles.extend([Trouble::Restore, Trouble::Copy]);
        Self { name: "forking", trouble_ms: 5_000, ..plan }
    }

    /// Three to five nodes whose people erase much, and which are often off.
    pub fn erasing(seed: u64) -> Self {
        let mut plan = Self::small(seed);
        plan.troubles.push(Trouble::Crash);
        Self { name: "erasing", trouble_ms: 5_000, erasing: 150, ..plan }
    }

    /// The plan of that name.
    pub fn named(name: &str, seed: u64) -> Option<Self> {
        Some(match name {
            "small" => Self::small(seed),
            "liar" => Self::with_a_liar(seed),
            "large" => Self::large(seed),
            "huge" => Self::huge(seed),
            "together" => Self::together(seed),
            "forking" => Self::forking(seed),
            "erasing" => Self::erasing(seed),
            _ => return None,
        })
    }

    /// The same with a planted fault, and what it takes to show.
    #[must_use]
    pub fn with(mut self, planted: Planted) -> Self {
        self.planted = Some(planted);
        self.belonging = 300;
        match planted {
            Planted::ForkKept => self.troubles = vec![Trouble::Restore, Trouble::Copy],
            Planted::TicketTwice | Planted::YesForgotten => self.troubles = vec![Trouble::Crash],
            Planted::Rule(Rule::ErasureIgnored) => self.erasing = 100,
            Planted::Rule(_) | Planted::CutTooLow | Planted::AsideServed => {}
            Planted::LostFlush => self.troubles = vec![Trouble::Crash],
            Planted::SkippedSignature => self.damage = 100,
        }
        self.trouble_ms = 5_000;
        self
    }
}
