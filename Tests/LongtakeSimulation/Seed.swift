import Glibc

/// The seed of the current schedule. It is printed if the process traps.
enum Seed {
    nonisolated(unsafe) static var current: UInt64 = 0

    /// Installs signal handlers. If a precondition of the daemon fails, the process traps, and the
    /// printed seed reproduces the trap.
    static func printSeedOnTrap() {
        // A separate stack, in case the other one overflowed.
        var stack = stack_t()
        stack.ss_size = 64 * 1024
        stack.ss_sp = malloc(stack.ss_size)
        sigaltstack(&stack, nil)
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT] {
            var action = sigaction()
            action.sa_flags = SA_ONSTACK
            action.__sigaction_handler.sa_handler = { number in
                // Only calls that are allowed in a signal handler: it formats the digits itself,
                // and calls `write`.
                var (rest, index) = (Seed.current, 20)
                withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 21) { digits in
                    digits[20] = UInt8(ascii: "\n")
                    repeat {
                        index -= 1
                        digits[index] = UInt8(ascii: "0") + UInt8(rest % 10)
                        rest /= 10
                    } while rest > 0
                    write(1, "trap in seed ", 13)
                    write(1, digits.baseAddress! + index, 21 - index)
                }
                signal(number, SIG_DFL)
                raise(number)
            }
            sigaction(number, &action, nil)
        }
    }
}
