import Testing

/// The faults of docs/reliability.md, each against a real daemon under load. One at a time, since each wants the machine.
@Suite(.serialized) struct FaultTests {
    /// A fault was set that never came.
    struct DidNotDie: Error {}
}
