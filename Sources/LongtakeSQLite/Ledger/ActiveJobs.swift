import LongtakeCore

/// Jobs that are not final yet, as the writer decided them last: a bounded cache of the database, for the writer alone.
///
/// If it is full, a new job takes the place of one that no command has asked for lately (“second chance”, also called the clock
/// algorithm): the hand goes round, spares each job that was used since it last passed, and takes the first that was not.
struct ActiveJobs {
    private struct Slot {
        var job: ActiveJob
        var isUsed: Bool
    }

    private var places: [JobID: Int] = [:]
    private var slots: [Slot?] = []
    private var free: [Int] = []
    private var hand = 0
    private let most: Int

    /// - Parameter most: how many are kept. A job with its pipeline takes a few kilobytes.
    init(most: Int = 16_384) { self.most = most }

    var count: Int { places.count }

    func contains(_ id: JobID) -> Bool { places[id] != nil }

    /// `nil` if the cache does not have it, which says nothing about the database.
    mutating func find(_ id: JobID) -> ActiveJob? {
        guard let place = places[id] else { return nil }
        slots[place]?.isUsed = true
        return slots[place]?.job
    }

    mutating func keep(_ job: ActiveJob) {
        if let place = places[job.id] {
            slots[place]?.job = job
            return
        }
        // New jobs begin unused: thousands that are submitted at once and wait for long must not evict those that run.
        let slot = Slot(job: job, isUsed: false)
        let place: Int
        if let empty = free.popLast() {
            place = empty
            slots[place] = slot
        } else if slots.count < most {
            place = slots.count
            slots.append(slot)
        } else {
            place = evict()
            slots[place] = slot
        }
        places[job.id] = place
    }

    mutating func remove(_ id: JobID) {
        guard let place = places.removeValue(forKey: id) else { return }
        slots[place] = nil
        free.append(place)
    }

    mutating func removeAll() {
        places.removeAll(keepingCapacity: true)
        slots.removeAll(keepingCapacity: true)
        free.removeAll(keepingCapacity: true)
        hand = 0
    }

    /// Called when every slot is taken. It ends after two rounds at most, because the first clears every mark.
    /// - Returns: the place that is free now.
    private mutating func evict() -> Int {
        while true {
            let place = hand
            hand = (hand + 1) % slots.count
            guard let slot = slots[place] else { continue }
            if slot.isUsed {
                slots[place]?.isUsed = false
            } else {
                places[slot.job.id] = nil
                return place
            }
        }
    }
}
