import LongtakeCore

/// Consecutive events of one job, up to the newest.
struct FrameRing {
    let number: Int
    let tenant: TenantName
    var isUseless = false
    private var frames: [EventFrame] = []
    /// The newest event, once a page that reached it was read; until then nobody is answered from here.
    private var head: EventSequence?
    /// The epoch of the frames and of the head; `nil` while there are none.
    private var epoch: Epoch?
    private(set) var memoryBytes = 256

    init(number: Int, tenant: TenantName) {
        self.number = number
        self.tenant = tenant
    }

    mutating func append(_ frame: EventFrame) {
        guard belongs(to: frame.id.epoch) else { return }
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
        trim()
    }

    /// Lets go of the oldest, some at a time.
    private mutating func trim() {
        guard frames.count > Limits.ringEvents + Limits.ringEvents / 4 else { return }
        frames.removeFirst(frames.count - Limits.ringEvents)
        count()
    }

    /// The first event that a reader can be given from here; `nil` where there is none.
    var first: EventSequence? { head == nil ? nil : frames.first?.sequence }

    /// Joins a page with what was collected. The page may be older than that, or newer: a commit can be read before it is published.
    /// - Returns: whether the ring is of use from here on.
    mutating func fill(_ page: FramePage) -> Bool {
        guard !page.isFinal, belongs(to: page.epoch) else { return false }
        let last = page.last ?? page.head
        guard let oldest = frames.first?.sequence, let newest = frames.last?.sequence else {
            // Where the ring knows a newer head already, the page is an old one; where the page was cut, it says nothing of the head.
            guard last == page.head, head.map({ $0 <= last }) ?? true else { return head != nil }
            (frames, head) = (page.frames, last)
            count()
            return true
        }
        // They touch; where they do not, what is missing between them is still to be published, or is no longer here.
        guard oldest <= last.next, (page.frames.first?.sequence ?? last.next) <= newest.next else { return head != nil }
        let older = page.frames.prefix { $0.sequence < oldest }
        let newer = page.frames.drop { $0.sequence <= newest }
        frames = older + frames + newer
        head = frames.last?.sequence
        count()
        trim()
        return true
    }

    /// Whether the ring may hold events of that epoch. Otherwise it is useless.
    private mutating func belongs(to epoch: Epoch) -> Bool {
        if self.epoch == nil { self.epoch = epoch }
        if self.epoch != epoch { isUseless = true }
        return self.epoch == epoch
    }

    private mutating func count() { memoryBytes = frames.reduce(256) { $0 + $1.memoryBytes } }

    func page(after place: EventSequence) -> FramePage? {
        guard let head, let epoch, place <= head else { return nil }
        let first = frames.first?.sequence ?? head.next
        guard place >= first || place.next == first else { return nil }
        return FramePage.cut(frames[Int(place.rawValue - first.rawValue + 1)...], head: head, epoch: epoch)
    }
}
