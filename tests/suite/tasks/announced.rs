//! Operations on the end of a task: causing it, and observing it.

use timeloop::Access::{Read, Write};
use timeloop::spawn;
use timeloop::task::{JoinSet, yield_now};

use crate::recording::{acts, recorded};

#[test]
fn awaiting_a_task_reads_its_end_and_the_task_writes_it() {
    recorded(|ops| async move {
        let task = spawn(async {});
        assert_eq!(ops.by(|| task.is_finished()), (false, acts(Read)));
        let mut task = task;
        // It waits, and checks again when it is woken.
        assert_eq!(ops.of(&mut task).await.1, ["read", "read"]);
        assert_eq!(ops.by(|| task.is_finished()), (true, Vec::new()), "what has been taken stays so");

        let task = spawn(async {});
        ops.words();
        yield_now().await;
        assert_eq!(ops.words_of_child(2), acts(Write));
        assert_eq!(ops.of(task).await.1, acts(Read));

        let _panics = spawn(async { panic!("the end all the same") });
        yield_now().await;
        assert_eq!(ops.words_of_child(3), acts(Write));
        assert!(_panics.await.is_err());
    });
}

#[test]
fn aborting_a_task_writes_its_end() {
    recorded(|ops| async move {
        let task = spawn(std::future::pending::<()>());
        assert_eq!(ops.by(|| task.abort()).1, acts(Write));
        assert_eq!(ops.by(|| task.abort_handle().abort()).1, acts(Write));
        assert_eq!(ops.by(|| task.abort_handle().is_finished()), (false, acts(Read)));
        yield_now().await;
        assert_eq!(ops.words_of_child(1), acts(Write), "it ends");
        let handle = task.abort_handle();
        assert!(task.await.is_err());
        assert_eq!(ops.by(|| handle.abort()).1, [""; 0], "there is no such task any more");
    });
}

#[test]
fn the_ends_of_two_tasks_are_two_resources() {
    recorded(|ops| async move {
        let tasks = [(); 2].map(|()| spawn(async {}));
        assert_eq!(ops.by(|| tasks.each_ref().map(|task| task.is_finished())).1, ["read", "2:read"]);
    });
}

/// A set returns the order in which its tasks end.
#[test]
fn a_set_passes_on_the_order_of_ends() {
    recorded(|ops| async move {
        let mut set = JoinSet::new();
        let ((), words) = ops.by(|| {
            for number in 1..=2 {
                set.spawn(async move { number });
            }
        });
        assert_eq!(words, [""; 0], "to spawn is not to look");
        assert_eq!(ops.by(|| set.try_join_next().is_none()).1, ["receive"]);
        yield_now().await;
        assert_eq!(ops.words_of_child(1), ["write", "2:send"], "its own end, then the set's next");
        assert_eq!(ops.of(set.join_next()).await.1, ["receive", "2:read"]);
        assert_eq!(ops.by(|| set.try_join_next_with_id().is_some()).1, ["receive", "2:read"]);
        assert_eq!(ops.of(set.join_next()).await.1, [""; 0], "an empty set asks nobody");

        set.spawn(std::future::pending());
        assert_eq!(ops.by(|| set.abort_all()).1, acts(Write));
        assert_eq!(ops.of(set.join_next_with_id()).await.1, ["receive", "receive", "2:read"]);
        set.spawn(std::future::pending());
        assert_eq!(ops.by(|| drop(set)).1, acts(Write));
    });
}
