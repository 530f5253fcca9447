/// A hash of all steps of a schedule, to compare two runs of a seed. On request it also prints the
/// steps.
final class Trace {
    private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    private let printsTrace: Bool
    private let time: VirtualTime

    init(printsTrace: Bool, time: VirtualTime) {
        self.printsTrace = printsTrace
        self.time = time
    }

    /// FNV-1a, one word at a time.
    func mix(_ word: UInt64) { hash = (hash ^ word) &* 0x0000_0100_0000_01b3 }

    func tell(_ line: @autoclosure () -> String) {
        guard printsTrace else { return }
        let milliseconds = Int(time.now / .milliseconds(1))
        print("\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst()) s  \(line())")
    }
}
