import LongtakeCore

/// Fills the message of a simulated step: `frame {step} of {steps}` becomes `frame 101 of 192`.
struct StepMessage: Sendable {
    let work: SimulatedWork

    /// The text after `step` steps. `{percent}` is rounded down, `{clock}` and `{length}` are minutes, seconds and tenths.
    func text(after step: Int) -> String {
        let length = work.lengthSeconds
        let values = [
            "step": String(step), "steps": String(work.steps), "percent": String(step * 100 / max(1, work.steps)),
            "clock": Self.clock(length * Double(step) / Double(max(1, work.steps))), "length": Self.clock(length),
        ]
        var (text, rest) = ("", Substring(work.message))
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            let name = String(rest[rest.index(after: open)..<close])
            // What we have no value for stays as it is written.
            text += String(rest[..<open]) + (values[name] ?? String(rest[open...close]))
            rest = rest[rest.index(after: close)...]
        }
        return text + rest
    }

    /// `00:04.2`; the hundredths are cut. Minutes go on past 59.
    private static func clock(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10 + 1e-6).rounded(.down))
        return "\(padded(tenths / 600)):\(padded(tenths / 10 % 60)).\(tenths % 10)"
    }

    private static func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
}
