import ArgumentParser
@preconcurrency import Glibc

/// Runs schedules of the engine, the fan-out and the group commit over a disk with faults. The seed
/// decides the order of all steps (fault F15).
@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "longtake-simulation", abstract: "Runs seeded schedules and prints those that violate a guarantee."
    )

    @Option(help: "The first seed.")
    var seed: UInt64 = 1
    @Option(help: "The number of schedules, with consecutive seeds.")
    var schedules = 1
    @Flag(help: "Stop at the first schedule that violates a guarantee.")
    var untilBroken = false
    @Flag(help: "Print every step.")
    var trace = false

    func run() throws {
        try Self.makeHashesRepeatable()
        setvbuf(stdout, nil, _IOLBF, 0)
        try JobHook.install()
        Seed.printSeedOnTrap()
        var total = Total()
        for seed in seed..<(seed + UInt64(schedules)) {
            Seed.current = seed
            let outcome = try Schedule(seed: seed, printsTrace: trace).run()
            total.add(outcome)
            guard let broken = outcome.broken else { continue }
            print("seed \(seed) breaks \(broken)")
            if untilBroken { break }
        }
        print(total)
        if total.broken > 0 { throw ExitCode(1) }
    }

    /// The order of sets and dictionaries differs between processes, unless this variable is set
    /// before the process starts.
    private static func makeHashesRepeatable() throws {
        guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
        setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
        var arguments = CommandLine.arguments.map { strdup($0) } + [nil]
        execv("/proc/self/exe", &arguments)
        throw SimulationError("cannot start again with repeatable hashes: \(String(cString: strerror(errno)))")
    }
}
