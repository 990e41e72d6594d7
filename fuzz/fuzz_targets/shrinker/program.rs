//! Decodes bytes into toys.
//!
//! # Invariants
//! A toy without `Wait` ends, since it has no loops. The root ends last. No two timers are due at the same instant, since
//! toys do not order those.

use timeloop_fuzz::Reader;
use timeloop_sim::Access;

use crate::toy::{Op, Program, Toy, program};

const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
const OPS_MAX: usize = 8;
const SLEEPS_MAX: u32 = 48;

/// Builds a toy.
struct Maker<'a, 'b> {
    reader: &'a mut Reader<'b>,
    tasks: usize,
    sleeps: u32,
}

/// Reads a toy.
pub(crate) fn toy(reader: &mut Reader<'_>) -> Toy {
    let mut ops = Maker { reader, tasks: 0, sleeps: 0 }.ops();
    // Longer than all other sleeps together.
    ops.push(Op::Sleep(1 << SLEEPS_MAX));
    Toy::new(ops)
}

impl Maker<'_, '_> {
    fn ops(&mut self) -> Vec<Op> {
        (0..self.reader.below(OPS_MAX)).map(|_| self.op()).collect()
    }

    fn op(&mut self) -> Op {
        let byte = self.reader.byte();
        let cell = usize::from(byte >> 5);
        match byte % 16 {
            0..=2 if self.tasks < NAMES.len() => {
                let name = NAMES[self.tasks];
                self.tasks += 1;
                Op::Spawn(self.child(name))
            }
            0..=3 => Op::Yield,
            4 | 5 => Op::Touch(cell, Access::Write),
            6 => Op::Touch(cell, self.reader.pick(&Access::ALL)),
            7 if self.sleeps < SLEEPS_MAX => {
                // Each sleep is another power of two, so that no two sums are equal. Later sleeps are not always longer.
                let power = self.sleeps * 19 % SLEEPS_MAX;
                self.sleeps += 1;
                Op::Sleep(1 << power)
            }
            8 => Op::Load(cell),
            9 => Op::Store(cell, i64::from(self.reader.byte() % 3)),
            10 => Op::AddIf(cell, i64::from(self.reader.byte() % 2), self.reader.below(8), 1),
            11 => Op::Select(2 + u32::from(self.reader.byte() % 3), cell),
            12 => Op::Draw(2 + u32::from(self.reader.byte() % 3), cell),
            13 => Op::Expect(cell, i64::from(self.reader.byte() % 3)),
            14 => Op::Raise(cell),
            15 if byte >> 4 & 1 == 1 => Op::Wait(cell),
            _ => Op::Yield,
        }
    }

    fn child(&mut self, name: &'static str) -> Program {
        program(name, self.ops())
    }
}
