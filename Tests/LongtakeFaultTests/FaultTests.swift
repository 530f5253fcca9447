import Testing

/// The faults of docs/reliability.md, each against a real daemon under load.
///
/// Most faults wait for most of their time, so the groups run side by side. Within a group
/// one test runs at a time, because each test starts several processes. The groups take about
/// equally long.
@Suite struct FaultTests {
    /// Disks that are full, fail or do not answer.
    @Suite(.serialized) struct Disks {}

    /// Processes that are killed, stopped or paused.
    @Suite(.serialized) struct Processes {}

    /// Faults from outside the process: clients, clocks and other daemons.
    @Suite(.serialized) struct Environment {}

    /// Stages that are programs.
    @Suite(.serialized) struct Commands {}

    /// The injected fault did not kill the daemon.
    struct NotKilled: Error {}
}
