import Synchronization

/// The values that an observer got, in order.
public final class Seen<Element: Sendable>: Sendable {
    private let state = Mutex<[Element]>([])

    public init() {}

    public var list: [Element] { state.withLock { $0 } }

    public func add(_ element: Element) { state.withLock { $0.append(element) } }
}
