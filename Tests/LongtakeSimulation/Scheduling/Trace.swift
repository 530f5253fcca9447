/// A hash of everything that a schedule did, to compare two runs of a seed, and lines to read on
/// request.
final class Trace {
    private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    private let isPrinted: Bool
    private let time: VirtualTime

    init(isPrinted: Bool, time: VirtualTime) {
        self.isPrinted = isPrinted
        self.time = time
    }

    /// FNV-1a, one word at a time.
    func mix(_ word: UInt64) { hash = (hash ^ word) &* 0x0000_0100_0000_01b3 }

    func tell(_ line: @autoclosure () -> String) {
        guard isPrinted else { return }
        let milliseconds = Int(time.now / .milliseconds(1))
        print("\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst()) s  \(line())")
    }
}
