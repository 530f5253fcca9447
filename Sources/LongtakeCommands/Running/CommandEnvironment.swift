import LongtakeCore

/// The environment of a program: a few variables of the daemon, those of the configuration, and
/// those that describe the stage. The last ones win.
struct CommandEnvironment: Sendable {
    /// The variables of the daemon that every program gets.
    static let inherited = ["PATH", "LANG", "TZ"]
    /// The search path if the daemon has none.
    static let usualPath = "/usr/local/bin:/usr/bin:/bin"

    let daemon: [String: String]

    func variables(of work: CommandWork, claim: Claim, in directory: WorkingDirectory, trace: TraceParent) -> [String:
        String]
    {
        var variables = ["PATH": Self.usualPath]
        for name in Self.inherited + work.passEnvironment {
            if let value = daemon[name] { variables[name] = value }
        }
        variables.merge(work.environment) { $1 }
        variables["HOME"] = directory.home
        variables["TMPDIR"] = directory.temporary
        variables["LONGTAKE_JOB"] = claim.job.description
        variables["LONGTAKE_STAGE"] = claim.stage.name.description
        variables["LONGTAKE_ATTEMPT"] = String(claim.attempt)
        variables["TRACEPARENT"] = trace.description
        return variables
    }
}

/// The header `traceparent` of W3C Trace Context. All stages of a job have the same trace.
struct TraceParent: Hashable, Sendable, CustomStringConvertible {
    let description: String

    /// - Parameter random: the bits of the parent's id. Zero is not valid, so it becomes 1.
    init(of job: JobID, random: UInt64) {
        // The id is a ULID: 128 bits, in 26 digits of 5 bits of which the first two bits are zero.
        var (high, low) = (UInt64(0), UInt64(0))
        for character in job.description.utf8.dropFirst(4) {
            let digit = UInt64(Self.alphabet.firstIndex(of: character) ?? 0)
            high = high << 5 | low >> 59
            low = low << 5 | digit
        }
        if high == 0 && low == 0 { low = 1 }
        description = "00-\(Self.hex(high))\(Self.hex(low))-\(Self.hex(max(random, 1)))-01"
    }

    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    private static func hex(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
