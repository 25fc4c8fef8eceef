//! A small assembler for classic BPF: straight code and forward blocks, which is all that filters need.
//!
//! Used for the system call filter (`seccomp(2)`) and for the socket filters that find refusals (`socket(7)`).

use crate::sys::seccomp::Instruction;

/// A comparison of the accumulator.
#[derive(Debug, Clone, Copy)]
pub(super) enum Test {
    /// Equal to.
    Equal(u32),
    /// Greater or equal.
    AtLeast(u32),
    /// Any of these bits set.
    AnyOf(u32),
}

/// A program under construction.
#[derive(Debug, Default)]
pub(super) struct Program {
    instructions: Vec<Instruction>,
    too_long: bool,
}

/// Opcodes of `linux/bpf_common.h`, each a class with its size or operation and mode.
mod code {
    use libc::{
        BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_IND, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX,
        BPF_MSH, BPF_RET, BPF_W,
    };

    pub(super) const LOAD: u32 = BPF_LD | BPF_W | BPF_ABS;
    pub(super) const LOAD_BYTE: u32 = BPF_LD | BPF_B | BPF_ABS;
    pub(super) const LOAD_INDEXED: u32 = BPF_LD | BPF_W | BPF_IND;
    pub(super) const LOAD_BYTE_INDEXED: u32 = BPF_LD | BPF_B | BPF_IND;
    pub(super) const LOAD_HEADER_LENGTH: u32 = BPF_LDX | BPF_B | BPF_MSH;
    pub(super) const AND: u32 = BPF_ALU | BPF_AND | BPF_K;
    pub(super) const EQUAL: u32 = BPF_JMP | BPF_JEQ | BPF_K;
    pub(super) const AT_LEAST: u32 = BPF_JMP | BPF_JGE | BPF_K;
    pub(super) const ANY_OF: u32 = BPF_JMP | BPF_JSET | BPF_K;
    pub(super) const RETURN: u32 = BPF_RET | BPF_K;
}

impl Program {
    fn push(&mut self, code: u32, k: u32) {
        // Opcodes of classic BPF are below 256.
        self.instructions.push(Instruction { code: u16::try_from(code).unwrap_or(u16::MAX), jt: 0, jf: 0, k });
    }

    /// A = the 32-bit word at `offset`.
    pub(super) fn load(&mut self, offset: u32) {
        self.push(code::LOAD, offset);
    }

    /// A = the byte at `offset`.
    pub(super) fn load_byte(&mut self, offset: u32) {
        self.push(code::LOAD_BYTE, offset);
    }

    /// X = the length of the IPv4 header at `offset`.
    pub(super) fn load_header_length(&mut self, offset: u32) {
        self.push(code::LOAD_HEADER_LENGTH, offset);
    }

    /// A = the 32-bit word at X + `offset`.
    pub(super) fn load_indexed(&mut self, offset: u32) {
        self.push(code::LOAD_INDEXED, offset);
    }

    /// A = the byte at X + `offset`.
    pub(super) fn load_byte_indexed(&mut self, offset: u32) {
        self.push(code::LOAD_BYTE_INDEXED, offset);
    }

    /// A = A & `bits`.
    pub(super) fn and(&mut self, bits: u32) {
        self.push(code::AND, bits);
    }

    /// Ends with `value`.
    pub(super) fn end(&mut self, value: u32) {
        self.push(code::RETURN, value);
    }

    /// Runs `block` if the test holds; goes on after it if not.
    pub(super) fn when(&mut self, test: Test, block: impl FnOnce(&mut Self)) {
        let at = self.jump(test);
        let length = self.block_length(at, block);
        self.instructions[at].jf = length;
    }

    /// Runs `block` if the test does not hold; goes on after it if it does.
    pub(super) fn unless(&mut self, test: Test, block: impl FnOnce(&mut Self)) {
        let at = self.jump(test);
        let length = self.block_length(at, block);
        self.instructions[at].jt = length;
    }

    fn jump(&mut self, test: Test) -> usize {
        let (code, k) = match test {
            Test::Equal(k) => (code::EQUAL, k),
            Test::AtLeast(k) => (code::AT_LEAST, k),
            Test::AnyOf(k) => (code::ANY_OF, k),
        };
        self.push(code, k);
        self.instructions.len() - 1
    }

    fn block_length(&mut self, jump: usize, block: impl FnOnce(&mut Self)) -> u8 {
        block(self);
        u8::try_from(self.instructions.len() - jump - 1).unwrap_or_else(|_| {
            self.too_long = true;
            0
        })
    }

    /// The instructions; `None` if a block was longer than a jump reaches.
    pub(super) fn finish(self) -> Option<Vec<Instruction>> {
        (!self.too_long).then_some(self.instructions)
    }
}

/// Runs a program as the kernel would: what tests of filters stand on.
#[cfg(test)]
pub(super) mod interpreter {
    use super::{Instruction, code};

    /// How words are read from the data: the machine's order for system calls, the network's for packets.
    #[derive(Clone, Copy, PartialEq)]
    pub(in crate::sandbox) enum Order {
        Machine,
        Network,
    }

    /// The value that the program ends with. A load outside the data ends with 0, as in the kernel.
    pub(in crate::sandbox) fn run(program: &[Instruction], data: &[u8], order: Order) -> u32 {
        let word = |offset: u32| -> Option<u32> {
            let bytes = data.get(offset as usize..offset as usize + 4)?.try_into().ok()?;
            Some(if order == Order::Network { u32::from_be_bytes(bytes) } else { u32::from_ne_bytes(bytes) })
        };
        let byte = |offset: u32| data.get(offset as usize).copied().map(u32::from);
        let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
            let loaded = match u32::from(code) {
                code::LOAD => word(k).map(|value| a = value),
                code::LOAD_BYTE => byte(k).map(|value| a = value),
                code::LOAD_INDEXED => word(x + k).map(|value| a = value),
                code::LOAD_BYTE_INDEXED => byte(x + k).map(|value| a = value),
                code::LOAD_HEADER_LENGTH => byte(k).map(|value| x = 4 * (value & 0xf)),
                code::RETURN => return k,
                computed => {
                    match computed {
                        code::AND => a &= k,
                        code::EQUAL => jump(a == k),
                        code::AT_LEAST => jump(a >= k),
                        code::ANY_OF => jump(a & k != 0),
                        other => panic!("opcode {other:#x}"),
                    }
                    Some(())
                }
            };
            if loaded.is_none() {
                return 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::interpreter::{Order, run};
    use super::*;

    #[test]
    fn blocks_run_when_they_should() {
        let mut program = Program::default();
        program.load(0);
        program.when(Test::Equal(7), |then| {
            then.load(4);
            then.unless(Test::AnyOf(1), |even| even.end(20));
            then.end(21);
        });
        program.when(Test::AtLeast(100), |then| then.end(3));
        program.end(4);
        let program = program.finish().unwrap();
        let ends = |first: u32, second: u32| {
            run(&program, &[first.to_ne_bytes(), second.to_ne_bytes()].concat(), Order::Machine)
        };
        assert_eq!([ends(7, 2), ends(7, 3), ends(100, 0), ends(99, 0)], [20, 21, 3, 4]);
    }

    #[test]
    fn a_block_out_of_reach_is_no_program() {
        let mut program = Program::default();
        program.when(Test::Equal(0), |then| (0..256).for_each(|_| then.end(0)));
        assert!(program.finish().is_none());
    }
}
