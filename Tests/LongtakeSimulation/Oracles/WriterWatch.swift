import LongtakeCore
import LongtakeStorage

/// Checks the batches of a group-commit writer (O10) without using its lanes: each lane runs in its
/// order, batches keep their limits, and no command is lost or starved.
struct WriterWatch {
    private let commandsPerCommit: Int
    private let commitsPerMaintenance: Int
    private let stage: Stagehand
    private var lastNumber = 0
    /// Accepted commands that no batch has taken, in their order.
    private var waiting: [SimulatedCommand] = []
    /// The commands that the writer runs.
    private var batch: [SimulatedCommand] = []
    private var parked: [SimulatedCommand] = []
    private var commitsSinceMaintenance = 0

    init(commandsPerCommit: Int, commitsPerMaintenance: Int, stage: Stagehand) {
        self.commandsPerCommit = commandsPerCommit
        self.commitsPerMaintenance = commitsPerMaintenance
        self.stage = stage
    }

    mutating func arrives(_ command: SimulatedCommand) {
        lastNumber += 1
        command.number = lastNumber
    }

    mutating func accepted(_ command: SimulatedCommand, submissionsWaiting limit: Int, isBlocked: Bool) {
        let submissions = waiting(in: .submissions).count
        check(
            command.kind != .submission || submissions < limit,
            "\(submissions) submissions wait, but the limit is \(limit)")
        check(
            !isBlocked || [.critical, .maintenance].contains(command.kind),
            "a \(command.kind) command is accepted on a full disk")
        waiting.append(command)
    }

    mutating func park(_ command: SimulatedCommand) {
        check(command.kind == .critical, "a \(command.kind) command is parked")
        parked.append(command)
    }

    /// The parked commands are in front of their lane again.
    mutating func unparked() {
        waiting = parked + waiting
        parked = []
    }

    /// The writer has taken its next batch.
    mutating func taken(_ batch: [SimulatedCommand]) {
        check(
            batch.count <= commandsPerCommit,
            "a batch has \(batch.count) commands, but the limit is \(commandsPerCommit)")
        let kinds = Set(batch.map(\.lane))
        check(!kinds.contains(.maintenance) || batch.count == 1, "maintenance shares its transaction")
        checkShares(batch)
        for lane in kinds {
            let taken = batch.filter { $0.lane == lane }
            check(
                taken.map(\.number) == waiting(in: lane).prefix(taken.count).map(\.number),
                "the lane of \(lane) does not run in its order")
        }
        self.batch = batch
        let numbers = Set(batch.map(\.number))
        waiting.removeAll { numbers.contains($0.number) || $0.isAnswered }
    }

    /// Checks that no lane starves another one.
    private mutating func checkShares(_ batch: [SimulatedCommand]) {
        let isMaintenance = batch.first?.kind == .maintenance
        let (submissions, maintenance) = (waiting(in: .submissions), waiting(in: .maintenance))
        let least = min(submissions.count, commandsPerCommit / 2)
        let taken = batch.count { $0.kind == .submission }
        check(isMaintenance || taken >= least, "a batch has only \(taken) of \(submissions.count) submissions")
        check(!batch.isEmpty || waiting.allSatisfy(\.isAnswered), "a batch is empty, but commands wait")
        let isBehind = !isMaintenance && !maintenance.isEmpty
        commitsSinceMaintenance = isBehind ? commitsSinceMaintenance + 1 : 0
        check(commitsSinceMaintenance <= commitsPerMaintenance, "maintenance waits for too many transactions")
    }

    /// Called when nothing can run before time passes, and no fault delays the writer. Every
    /// command must have its answer.
    func lookAtRest() {
        let left = (waiting + batch + parked).filter { !$0.isAnswered }
        check(left.isEmpty, "\(left.map(\.kind)) wait, but the writer sleeps")
    }

    /// The same, while the writer waits for more reports.
    func lookAtGathering() {
        let left = waiting.filter { !$0.isAnswered }
        let isPatient = left.allSatisfy { $0.kind == .report || $0.kind == .maintenance }
        check(
            isPatient && left.count < commandsPerCommit + waiting(in: .maintenance).count,
            "the writer waits for more reports, but \(left.map(\.kind)) wait")
    }

    private func waiting(in lane: SimulatedCommand.Lane) -> [SimulatedCommand] {
        waiting.filter { $0.lane == lane && !$0.isAnswered }
    }

    private func check(_ isKept: Bool, _ text: @autoclosure () -> String) {
        stage.verdict.check(isKept, .writer, text())
    }
}
