//! The fabric alone, without a loop: a program of writes, reads, faults and crashes against what streams promise.

use std::net::SocketAddr;
use std::rc::Rc;

use proptest::prelude::*;

use super::{Delay, Dice, EndKey, Errno, Fabric, Model, Packet, Question, Turn};
use crate::engine::announce::ResourceId;

/// Dice from a row of numbers, over and over.
struct Row<'a>(&'a [u32], usize);

impl Row<'_> {
    fn next(&mut self) -> u32 {
        self.1 += 1;
        self.0.get(self.1 % self.0.len().max(1)).copied().unwrap_or(0)
    }
}

impl Dice for Row<'_> {
    fn quantile(&mut self, _: Packet, count: u32, _: &[u64]) -> u32 {
        self.next() % count
    }

    fn happens(&mut self, _: Packet, _: Question, millionths: u32) -> bool {
        self.next() % 1_000_000 < millionths
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(u8, usize),
    Read(u8, usize),
    Shutdown(u8),
    Close(u8),
    Cut(u8),
    Heal(u8),
    Hold(u8),
    Release(u8),
    Crash(u8),
    Start(u8),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0_u8..2, 0_usize..3_000).prop_map(|(side, len)| Step::Write(side, len)),
        2 => (0_u8..2, 0_usize..200_000).prop_map(|(side, len)| Step::Write(side, len)),
        12 => (0_u8..2, 1_usize..5_000).prop_map(|(side, len)| Step::Read(side, len)),
        3 => (0_u8..2, 1_usize..200_000).prop_map(|(side, len)| Step::Read(side, len)),
        1 => (0_u8..2).prop_map(Step::Shutdown),
        1 => (0_u8..2).prop_map(Step::Close),
        2 => (0_u8..2).prop_map(Step::Cut),
        3 => (0_u8..2).prop_map(Step::Heal),
        1 => (0_u8..2).prop_map(Step::Hold),
        2 => (0_u8..2).prop_map(Step::Release),
        1 => (0_u8..2).prop_map(Step::Crash),
        2 => (0_u8..2).prop_map(Step::Start),
        10 => (0_u64..60_000_000).prop_map(Step::Advance),
        3 => (0_u64..400_000_000_000).prop_map(Step::Advance),
    ]
}

/// The byte at this place of what one side says.
fn byte(side: u8, position: usize) -> u8 {
    (position % 251) as u8 ^ (side * 0x80)
}

struct World<'a> {
    fabric: Fabric,
    dice: Row<'a>,
    now_ns: u64,
    ends: [Option<EndKey>; 2],
    written: [usize; 2],
    read: [usize; 2],
    ended: [bool; 2],
    failed: [bool; 2],
}

impl<'a> World<'a> {
    fn new(model: Model, dice: &'a [u32], same_host: bool) -> Self {
        let mut fabric = Fabric::default();
        for ip in ["10.0.0.1", "10.0.0.2"] {
            fabric.add_host(&[ip.parse().unwrap()], true);
        }
        fabric.links.set_usual(Rc::new(model));
        let mut world = Self {
            fabric,
            dice: Row(dice, 0),
            now_ns: 0,
            ends: [None; 2],
            written: [0; 2],
            read: [0; 2],
            ended: [false; 2],
            failed: [false; 2],
        };
        let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
        let address: SocketAddr = "10.0.0.2:80".parse().unwrap();
        let listener = world.fabric.new_listener(1, any, ResourceId::const_new());
        world.fabric.bind_listener(listener, address).unwrap();
        world.fabric.listen(listener, 8).unwrap();
        let client = if same_host { 1 } else { 0 };
        let socket = world.fabric.new_listener(client, any, ResourceId::const_new());
        let asked = world.call(|fabric, turn| fabric.connect(turn, socket, address).unwrap());
        world.advance(20_000_000_000);
        assert_eq!(world.fabric.connected(asked), Ok(()));
        let (accepted, ..) = world.fabric.accept(listener).unwrap();
        world.ends = [Some(asked), Some(accepted)];
        world
    }

    fn call<R>(&mut self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>) -> R) -> R {
        f(&mut self.fabric, &mut Turn { now_ns: self.now_ns, dice: &mut self.dice })
    }

    fn advance(&mut self, by_ns: u64) {
        let until_ns = self.now_ns + by_ns;
        while let Some(next_ns) = self.fabric.next_ns().filter(|next_ns| *next_ns <= until_ns) {
            assert!(next_ns >= self.now_ns, "time does not run backwards");
            self.now_ns = next_ns;
            self.call(|fabric, turn| fabric.advance(turn));
        }
        self.now_ns = until_ns;
    }

    fn write(&mut self, side: u8, len: usize) {
        let Some(key) = self.ends[side as usize] else { return };
        let start = self.written[side as usize];
        let bytes: Vec<u8> = (start..start + len).map(|position| byte(side, position)).collect();
        match self.call(|fabric, turn| fabric.write(turn, key, std::iter::once(&bytes[..]))) {
            Ok(count) => self.written[side as usize] += count,
            Err(Errno::WouldBlock) => {}
            Err(_) => self.failed[side as usize] = true,
        }
    }

    fn read(&mut self, side: u8, len: usize) {
        let Some(key) = self.ends[side as usize] else { return };
        let mut bytes = Vec::new();
        let count = self
            .call(|fabric, turn| fabric.read(turn, key, len, false, |piece| bytes.extend_from_slice(piece)));
        let from = 1 - side;
        let position = self.read[from as usize];
        match count {
            Ok(0) => self.ended[from as usize] = true,
            Ok(count) => {
                assert!(!self.ended[from as usize], "nothing comes after the end");
                assert_eq!(count, bytes.len());
                let expected: Vec<u8> =
                    (position..position + count).map(|position| byte(from, position)).collect();
                assert!(bytes == expected, "what is read is what was written, in order");
                self.read[from as usize] += count;
                assert!(self.read[from as usize] <= self.written[from as usize]);
            }
            Err(Errno::WouldBlock) => {}
            Err(_) => self.failed[side as usize] = true,
        }
    }

    fn link(&mut self, side: u8) -> &mut super::link::Link {
        let side = u32::from(side);
        self.fabric.links.get(side, 1 - side)
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Write(side, len) => self.write(side, len),
            Step::Read(side, len) => self.read(side, len),
            Step::Shutdown(side) => {
                if let Some(key) = self.ends[side as usize] {
                    let _ = self.call(|fabric, turn| fabric.shutdown_write(turn, key));
                }
            }
            Step::Close(side) => {
                if let Some(key) = self.ends[side as usize].take() {
                    self.call(|fabric, turn| fabric.close(turn, key));
                }
            }
            Step::Cut(side) => self.link(side).cuts += 1,
            Step::Heal(side) => self.link(side).cuts = 0,
            Step::Hold(side) => self.link(side).held = true,
            Step::Release(side) => self.link(side).held = false,
            Step::Crash(side) => self.fabric.crash(side.into()),
            Step::Start(side) => self.fabric.start(side.into()),
            Step::Advance(by_ns) => self.advance(by_ns),
        }
        self.fabric.woken.clear();
        self.fabric.garbage.clear();
    }

    /// Heals everything, and reads on until nothing more can come.
    fn calm(&mut self) {
        for side in 0..2 {
            for step in [Step::Heal(side), Step::Release(side), Step::Start(side)] {
                self.take(step);
            }
        }
        for _ in 0..60 {
            self.advance(130_000_000_000);
            self.read(0, usize::MAX);
            self.read(1, usize::MAX);
        }
    }
}

fn model() -> impl Strategy<Value = Model> {
    let delay = prop_oneof![
        Just(Delay::Constant(0)),
        (1_u64..200_000_000).prop_map(Delay::Constant),
        (0_u64..1_000, 1_u64..100_000_000)
            .prop_map(|(least, most)| Delay::Quantiles([least, least + most / 10, least + most].into())),
    ];
    let loss = prop_oneof![Just(0), 1_u32..400_000];
    let bandwidth = prop_oneof![Just(None), (10_000_u64..1_000_000).prop_map(Some)];
    (delay, loss, bandwidth).prop_map(|(delay, loss, bandwidth)| Model {
        delay,
        loss,
        bandwidth,
        ..Model::default()
    })
}

proptest! {
    /// Whatever is written, cut, held, ended, closed and crashed, in whatever order.
    #[test]
    fn what_is_read_is_a_prefix_of_what_was_written(
        model in model(),
        dice in prop::collection::vec(any::<u32>(), 1..40),
        same_host in any::<bool>(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(model, &dice, same_host);
        let crashed = steps.iter().any(|step| matches!(step, Step::Crash(_)));
        for step in steps {
            world.take(step);
        }
        world.calm();
        for side in [0, 1] {
            let lives = world.ends[0].is_some() && world.ends[1].is_some() && !crashed;
            if lives && !world.failed[0] && !world.failed[1] {
                prop_assert_eq!(world.read[side], world.written[side], "all of it comes in the end");
            }
        }
        for end in 0..2 {
            world.take(Step::Close(end));
        }
        prop_assert_eq!(world.fabric.connections(), 0, "nothing is left behind");
    }
}
