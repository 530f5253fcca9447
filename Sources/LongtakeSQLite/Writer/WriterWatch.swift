import LongtakeCore

/// Notices that the writer does not come back from the disk, and who has waited for too long: the pure part of a look once a second.
///
/// It counts looks and reads no clock, so that a pause of the whole process is one look, and is not held against the disk.
struct WriterWatch {
    /// Of this life of the process, so far. They are only made while somebody waits.
    private(set) var looks = 0
    private var isLooking = false
    /// The look after which the transaction or the checkpoint that is under way began.
    private var began: Int?
    /// What the writer has taken up last, and may have done.
    private var batch: [WriteCommand] = []

    static let heldLooks = Int(Limits.writerHeldMost / Limits.writerLookInterval)
    static let answerLooks = Int(Limits.answerDeadline / Limits.writerLookInterval)

    /// Whether the disk has held a transaction for so long that nobody who can be turned away should wait for it.
    var isHeld: Bool { began.map { looks - $0 > Self.heldLooks } ?? false }
    var isIdle: Bool { began == nil && batch.isEmpty }

    /// - Returns: whether the looks are to begin.
    mutating func start() -> Bool {
        defer { isLooking = true }
        return !isLooking
    }

    mutating func stop() { isLooking = false }

    mutating func look() { looks += 1 }

    mutating func begin() { began = looks }

    mutating func end() { began = nil }

    mutating func take(_ commands: [WriteCommand]) { batch = commands }

    /// Whether a command that no transaction has taken up can be told that it will not be.
    func turnsAway(_ command: WriteCommand) -> Bool { command.isAsked && (isHeld || isLate(command)) }

    /// Those under way whose callers wait no longer. Each is named once.
    mutating func abandoned() -> [WriteCommand] {
        let all = batch
        batch = all.filter { !isAbandoned($0) }
        return all.filter(isAbandoned)
    }

    private func isAbandoned(_ command: WriteCommand) -> Bool {
        command.isAsked && (isLate(command) || isHeld && command.kind == .probe)
    }

    private func isLate(_ command: WriteCommand) -> Bool { looks - command.arrived >= Self.answerLooks }
}
