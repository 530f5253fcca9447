import NIOCore
import Synchronization

/// The connections between two requests, of all event loops: what makes room if every place is taken.
///
/// Each loop has its own list, which only that loop touches. How many are in it is known everywhere, so that a loop that accepts finds a
/// connection to close although it has none itself.
final class IdleRegister<Connection>: Sendable {
    private final class Place: Sendable {
        let loop: any EventLoop
        let list: NIOLoopBoundBox<IdleConnections<Connection>>
        /// `promised`: those that other loops have asked for, and that are not taken out yet.
        let counts = Mutex((idle: 0, promised: 0))

        init(_ loop: any EventLoop) {
            self.loop = loop
            list = .makeBoxSendingValue(.init(), eventLoop: loop)
        }

        var unpromised: Int { counts.withLock { $0.idle - $0.promised } }

        /// Asks for one, if there is one that nobody has asked for.
        func promise() -> Bool {
            counts.withLock { counts in
                guard counts.idle > counts.promised else { return false }
                counts.promised += 1
                return true
            }
        }

        /// On the loop.
        func count() { counts.withLock { $0.idle = list.value.count } }
    }

    private let places: [ObjectIdentifier: Place]

    init(loops: [any EventLoop]) {
        places = Dictionary(uniqueKeysWithValues: loops.map { (ObjectIdentifier($0), Place($0)) })
    }

    /// The connection waits for a request. On its loop.
    func add(_ connection: Connection, on loop: any EventLoop) -> IdleConnections<Connection>.Stay? {
        guard let place = places[ObjectIdentifier(loop)] else { return nil }
        defer { place.count() }
        return place.list.value.add(connection)
    }

    /// It does not any more. On its loop.
    func remove(_ stay: IdleConnections<Connection>.Stay, on loop: any EventLoop) {
        guard let place = places[ObjectIdentifier(loop)] else { return }
        place.list.value.remove(stay)
        place.count()
    }

    /// Has one connection closed: the one that has waited longest on this loop, or else on the loop with the most of them, soon.
    /// - Parameter close: called on the connection's loop.
    /// - Returns: whether there is one.
    func makeRoom(on loop: any EventLoop, _ close: @escaping @Sendable (Connection) -> Void) -> Bool {
        if let place = places[ObjectIdentifier(loop)], place.unpromised > 0, let own = place.list.value.popLongest() {
            place.count()
            close(own)
            return true
        }
        let others = places.values.map { (place: $0, count: $0.unpromised) }.filter { $0.count > 0 }
        for (place, _) in others.sorted(by: { $0.count > $1.count }) where place.promise() {
            place.loop.execute {
                place.counts.withLock { $0.promised -= 1 }
                // It may have begun a request meanwhile: then one connection more is open, and the next one makes room.
                guard let longest = place.list.value.popLongest() else { return }
                place.count()
                close(longest)
            }
            return true
        }
        return false
    }
}
