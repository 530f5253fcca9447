import LongtakeCore

/// Consecutive events of one job, up to the newest.
struct FrameRing {
    let number: Int
    let tenant: TenantName
    var isUseless = false
    private var frames: [EventFrame] = []
    /// The newest event, once a page that reached it was read; until then nobody is answered from here.
    private var head: EventSequence?
    private(set) var memoryBytes = 256

    init(number: Int, tenant: TenantName) {
        self.number = number
        self.tenant = tenant
    }

    mutating func append(_ frame: EventFrame) {
        let newest = frames.last?.sequence ?? head
        if let newest {
            guard frame.sequence > newest else { return }
            // Every commit is published, so a hole means that something is wrong here: better no ring than a wrong one.
            guard frame.sequence == newest.next else {
                isUseless = true
                return
            }
        }
        frames.append(frame)
        memoryBytes += frame.memoryBytes
        if head != nil { head = frame.sequence }
        guard frames.count > Limits.ringEvents * 2 else { return }
        for frame in frames.prefix(Limits.ringEvents) { memoryBytes -= frame.memoryBytes }
        frames.removeFirst(Limits.ringEvents)
    }

    /// - Returns: whether the ring is of use from here on.
    mutating func fill(_ page: FramePage) -> Bool {
        let last = page.frames.last?.sequence ?? page.head
        // A page that was cut before the head, or the page of a job that has ended.
        guard last == page.head, !page.isFinal else { return head != nil && !page.isFinal }
        if let oldest = frames.first?.sequence, oldest > last.next { return head != nil }
        let isOlder = page.frames.first.map { $0.sequence < frames.first?.sequence ?? last.next } ?? false
        if isOlder {
            let newer = frames.drop { $0.sequence <= last }
            frames = page.frames + newer
            memoryBytes = frames.reduce(256) { $0 + $1.memoryBytes }
        }
        head = max(frames.last?.sequence ?? last, last)
        return true
    }

    func page(after place: EventSequence) -> FramePage? {
        guard let head, place <= head else { return nil }
        let first = frames.first?.sequence ?? head.next
        guard place >= first || place.next == first else { return nil }
        return FramePage.cut(frames[Int(place.rawValue - first.rawValue + 1)...], head: head)
    }
}
