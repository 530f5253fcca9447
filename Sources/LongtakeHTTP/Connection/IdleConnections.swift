import NIOCore

/// One event loop's connections between two requests, the one that has waited longest first: what makes room where all places are taken.
///
/// A client may lose such a connection at any time and has to be ready for it (RFC 9112 §9.3.1), so whoever holds many and uses none cannot
/// keep others out. Used on its loop only.
struct IdleConnections<Connection> {
    /// A stay in here; each has a number of its own.
    typealias Stay = UInt64

    private var stays: [Stay: Connection] = [:]
    /// In the order of arrival, with those that have left meanwhile.
    private var order = CircularBuffer<Stay>()
    private var last: Stay = 0

    var count: Int { stays.count }

    mutating func add(_ connection: Connection) -> Stay {
        last += 1
        stays[last] = connection
        order.append(last)
        // Those that have left are at most as many as those that are here, so that a busy connection does not fill the memory.
        if order.count > 2 * stays.count + 16 { order = CircularBuffer(order.filter { stays[$0] != nil }) }
        return last
    }

    mutating func remove(_ stay: Stay) { stays[stay] = nil }

    /// Takes out the one that has been here longest.
    mutating func popLongest() -> Connection? {
        while let stay = order.popFirst() {
            if let connection = stays.removeValue(forKey: stay) { return connection }
        }
        return nil
    }

    /// Entries, also of those that have left.
    var memory: Int { order.count }
}
