/// A time after which nothing is waited for any more.
struct Deadline: Sendable {
    private let end: ContinuousClock.Instant

    init(_ seconds: Double) { end = .now + .seconds(seconds) }

    var isOver: Bool { .now >= end }
}

/// Why a measurement could not be made, or what it found broken.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
