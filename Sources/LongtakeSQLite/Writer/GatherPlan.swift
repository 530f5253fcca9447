/// Whether the writer waits a moment for more reports before it commits what there is.
///
/// One commit costs the same whether it holds one report or a hundred. Where they come by the thousand a second, a few milliseconds of
/// waiting save most of that; where they do not, and for everything that somebody waits for, nothing is gained and nobody waits.
struct GatherPlan: Hashable, Sendable {
    /// How long it waits: long enough for a commit to be worth it, short beside what a reader notices.
    static let pauseMilliseconds = 4
    /// Commands a second from which on it does.
    static let rate = 1_000
    private static let window: Duration = .milliseconds(100)

    /// Whether the last window had so many.
    private(set) var isBusy = false
    private var count = 0
    private var began: Duration = .zero

    /// A transaction took so many commands.
    /// - Parameter time: on any clock that does not go back.
    mutating func took(_ commands: Int, at time: Duration) {
        count += commands
        let elapsed = time - began
        guard elapsed >= Self.window else { return }
        isBusy = Double(count) >= Double(Self.rate) * (elapsed / .seconds(1))
        (count, began) = (0, time)
    }
}
