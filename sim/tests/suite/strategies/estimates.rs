//! The estimates for a program's strategies, from its baseline run; and each strategy by name.

use timeloop_sim::{
    Delay, Domain, Fifo, Pct, Pos, Random, ResourceKey, Seed, Seeded, Source, Stall, Starve, Stream, Surw,
    TaskKey, Urw,
};

use super::line_programs::{self, Done, Program};

pub(super) struct Profile {
    choices: u32,
    tasks: u32,
    counts: Counts,
    /// The resources that two or more tasks access: the key, the number of accesses, and the tasks.
    resources: Vec<(ResourceKey, u32, Counts)>,
}

/// The work of each task and all its descendants.
type Counts = Vec<(TaskKey, u32)>;

fn many(length: usize) -> u32 {
    u32::try_from(length).expect("a few")
}

impl Profile {
    /// Makes the baseline run of a program, which must pass.
    pub(super) fn of(program: &Program) -> Self {
        let baseline = line_programs::run(program, &mut Seeded::new(Seed(0), Fifo::default()));
        assert!(!baseline.failed, "the baseline run passes");
        let mut keys: Vec<_> =
            baseline.done.iter().filter_map(|done| Some(done.operation?.resource)).collect();
        keys.sort_unstable();
        keys.dedup();
        let resources = keys.into_iter().filter_map(|key| {
            let order = baseline.order_of(key);
            let about = |done: &Done| done.operation.is_some_and(|operation| operation.resource == key);
            let shared = order.iter().any(|task| *task != order[0]);
            shared.then(|| (key, many(order.len()), baseline.counts(about)))
        });
        Self {
            choices: baseline.choices,
            tasks: many(baseline.tasks.len()),
            resources: resources.collect(),
            counts: baseline.counts(|_| true),
        }
    }

    /// Returns the number of choices in a run.
    pub(super) fn choices(&self) -> u32 {
        self.choices
    }

    /// Chooses one of the resources, with chances proportional to their accesses.
    fn surw(&self, seed: Seed) -> Surw {
        let total = self.resources.iter().map(|(_, many, _)| many).sum::<u32>();
        if total == 0 {
            return Surw::new(None, &[]);
        }
        let mut point = Stream::new(seed, Domain::User, 1).below(total);
        for (key, many, counts) in &self.resources {
            if point < *many {
                return Surw::new(Some(*key), counts);
            }
            point -= many;
        }
        unreachable!("the point lies below the sum")
    }

    /// Creates the source of a run.
    pub(super) fn source(&self, strategy: &str, seed: Seed) -> Box<dyn Source> {
        match strategy {
            "random" => Box::new(Seeded::new(seed, Random::default())),
            "fifo" => Box::new(Seeded::new(seed, Fifo::default())),
            "pct3" => Box::new(Seeded::new(seed, Pct::new(3, self.choices))),
            "pct10" => Box::new(Seeded::new(seed, Pct::new(10, self.choices))),
            "pos" => Box::new(Seeded::new(seed, Pos::new())),
            "urw" => Box::new(Seeded::new(seed, Urw::new(&self.counts))),
            "surw" => Box::new(Seeded::new(seed, self.surw(seed))),
            "surw, no resource" => Box::new(Seeded::new(seed, Surw::new(None, &[]))),
            "delay2" => Box::new(Seeded::new(seed, Delay::new(2, self.choices))),
            "starve" => Box::new(Seeded::new(seed, Starve::new(self.tasks, 4))),
            "stall" => Box::new(Seeded::new(seed, Stall::new(self.choices + 8))),
            other => panic!("{other} is not a strategy"),
        }
    }
}

/// Every strategy.
pub(super) const ALL: [&str; 11] = [
    "random",
    "fifo",
    "pct3",
    "pct10",
    "pos",
    "urw",
    "surw",
    "surw, no resource",
    "delay2",
    "starve",
    "stall",
];
