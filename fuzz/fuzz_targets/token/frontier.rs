//! Frontiers of exhaustive searches: those of a search, and arbitrary text.
//!
//! It checks that a search that is stopped, stored, read and continued explores the same as without stopping. A frontier is
//! written as it was read, and a changed one is rejected.

use std::rc::Rc;

use timeloop::sync::Semaphore;
use timeloop::{Limits, Resource, run_from, spawn};
use timeloop_fuzz::{Reader, cover};
use timeloop_sim::{Absorbed, Bound, Ended, Search};

use crate::bytes::crc32;

const OF: &str = "exhaustive, limits 5c1d8a3e, program 9f0e61d20b6c7a41";
const RUNS_MAX: u64 = 120;

/// Reads a text as a frontier. If `is_sealed`, it gets a header and a checksum.
pub(crate) fn any_text(text: &str, is_sealed: bool) {
    let mut text = text.to_owned();
    if is_sealed {
        text = format!("timeloop frontier, version 1\nof {OF}\nexplored 7 redundant 1 bounded no\n{text}\n");
        let checksum = crc32(text.as_bytes());
        text.push_str(&format!("checksum {checksum:08x}\n"));
    }
    match Search::resume(Bound::None, &text, OF) {
        Ok(mut search) => {
            let frontier = search.frontier(OF).expect("it has not ended");
            cover(&[frontier.lines().count() as u64]);
            let again = Search::resume(Bound::None, &frontier, OF).map(|mut search| search.frontier(OF));
            assert_eq!(again, Ok(Some(frontier)), "{text}");
            assert!(Search::resume(Bound::None, &text, "something else").is_err());
            // It describes a program that does not exist.
            search_on(search, &[], Bound::None, 3, u64::MAX);
        }
        Err(error) => super::cover_text(&error.to_string()),
    }
}

/// Runs a search that the bytes define, and stops it somewhere.
pub(crate) fn of_a_search(data: &[u8]) {
    let mut reader = Reader::new(data);
    let bound = reader.pick(&[Bound::None, Bound::Delays(1), Bound::Delays(3), Bound::Preemptions(1)]);
    let stops_at = u64::from(reader.byte());
    let typo = (usize::from(reader.byte()), reader.byte());
    let tasks: Vec<Vec<u8>> =
        (0..1 + reader.below(3)).map(|_| (0..reader.below(4)).map(|_| reader.byte()).collect()).collect();

    let whole = search_on(Search::new(bound), &tasks, bound, RUNS_MAX, u64::MAX);
    let mut stopped = search_on(Search::new(bound), &tasks, bound, stops_at.min(RUNS_MAX), u64::MAX);
    if let Some(frontier) = stopped.frontier(OF) {
        let mut damaged = frontier.clone().into_bytes();
        let place = typo.0 * damaged.len() / 256;
        damaged[place] = b' ' + typo.1 % 95;
        let damaged = String::from_utf8(damaged).expect("as before");
        let read = Search::resume(bound, &damaged, OF).map(|mut search| search.frontier(OF));
        assert!(read.is_err() || read == Ok(Some(frontier.clone())), "taken for something else: {damaged}");
    }
    let mut gone_on = search_on(Search::new(bound), &tasks, bound, RUNS_MAX, stops_at);
    let mut whole = whole;
    let of = |search: &Search| (search.schedules(), search.redundant(), search.is_complete());
    cover(&[whole.schedules().min(20), u64::from(whole.is_complete()), whole.redundant().min(5)]);
    assert_eq!(of(&gone_on), of(&whole), "{tasks:?} {bound:?}, stopped after {stops_at}");
    assert_eq!(gone_on.frontier(OF), whole.frontier(OF), "{tasks:?} {bound:?}, stopped after {stops_at}");
}

/// Makes `runs` more runs. After `stops_at` runs, the search is stored and read again.
fn search_on(mut search: Search, tasks: &[Vec<u8>], bound: Bound, runs: u64, stops_at: u64) -> Search {
    for run in 0..runs {
        if run == stops_at
            && let Some(frontier) = search.frontier(OF)
        {
            search = Search::resume(bound, &frontier, OF).expect("it was just written");
        }
        let Some(source) = search.next_run() else { break };
        let outcome = run_from(source, &Limits::default(), || async {
            let resources: Rc<[Resource; 2]> = Rc::new(["one", "other"].map(Resource::new));
            let semaphores: Rc<[Semaphore; 2]> = Rc::new([(); 2].map(|()| Semaphore::new(0)));
            let tasks = tasks.iter().map(|ops| {
                let (ops, resources, semaphores) =
                    (ops.clone(), Rc::clone(&resources), Rc::clone(&semaphores));
                spawn(async move {
                    for op in ops {
                        let resource = &resources[usize::from(op >> 1 & 1)];
                        match op & 5 {
                            0 => resource.read().await,
                            1 => resource.write().await,
                            4 => timeloop::task::yield_now().await,
                            // The other effect of the step depends on the choice.
                            _ => {
                                let chosen = timeloop::select! { () = async {} => 0, () = async {} => 1 };
                                semaphores[chosen].add_permits(1);
                            }
                        }
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.expect("no task panics");
            }
        });
        let absorbed = search.absorb(&Ended {
            failure: outcome.result.err().map(Box::new),
            trace_hash: outcome.trace_hash,
            decisions_hash: outcome.trace_hash,
            steps: outcome.steps,
            ..Ended::default()
        });
        match absorbed {
            Absorbed::Diverged(_) => break,
            absorbed => assert_ne!(absorbed, Absorbed::Failed),
        }
    }
    search
}
