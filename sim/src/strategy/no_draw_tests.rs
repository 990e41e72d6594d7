//! Tests that a strategy draws nothing where it has no choice, so that a run without concurrency is the same under
//! every seed.

use super::{Delay, Draw, Fifo, Pct, Pos, Random, Starve, Strategy, Surw, Urw};
use crate::{Access, Announced, Operation, Ready, ResourceKey, Seed, TaskKey};

fn ready(slot: u32, task: TaskKey, operation: Option<Operation>) -> Ready {
    let announced = operation.map(|operation| Announced { index: 0, operation });
    Ready { slot, resume: 0, task, announced }
}

/// Runs three tasks one after the other, each alone, with operations; each spawns the next.
fn alone(strategy: &mut dyn Strategy, draw: &mut Draw) {
    let operation = Operation { resource: ResourceKey(1), access: Access::Write };
    let mut task = TaskKey::ROOT;
    for slot in 0..3 {
        strategy.ready(ready(slot, task, None), draw);
        for resumption in 0..4 {
            assert_eq!(strategy.next(draw), Some(slot));
            if strategy.wants_operations() {
                assert!(!strategy.should_preempt(task, operation, draw), "no other task is ready");
            }
            strategy.performed(task, operation, draw);
            assert_eq!(strategy.next(draw), None);
            if resumption < 3 {
                strategy.ready(ready(slot, task, None), draw);
            }
        }
        strategy.spawned(task, task.child(1));
        strategy.finished(task);
        task = task.child(1);
    }
}

#[test]
fn nothing_is_drawn() {
    let counts = [(TaskKey::ROOT, 9), (TaskKey::ROOT.child(1), 6)];
    let resource = Some(ResourceKey(1));
    let strategies: [Box<dyn Strategy>; 8] = [
        Box::new(Random::default()),
        Box::new(Fifo::default()),
        Box::new(Pct::new(3, 10)),
        Box::new(Pos::new()),
        Box::new(Urw::new(&counts)),
        Box::new(Surw::new(resource, &counts)),
        Box::new(Delay::new(2, 10)),
        Box::new(Starve::new(3, 3)),
    ];
    for mut strategy in strategies {
        let mut draw = Draw::new(Seed(1));
        alone(&mut *strategy, &mut draw);
        assert!(draw.has_not_begun(), "{strategy:?}");
        // With several ready tasks there is a choice, which shows that the check above can fail.
        for slot in 5..9 {
            strategy.ready(ready(slot, TaskKey(u64::from(slot)), None), &mut draw);
        }
        assert!(strategy.next(&mut draw).is_some());
        assert_eq!(draw.has_not_begun(), format!("{strategy:?}").starts_with("Fifo"), "{strategy:?}");
    }
}
