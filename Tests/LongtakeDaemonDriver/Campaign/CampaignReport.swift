import FoundationEssentials
import Glibc

/// The result of a campaign, for people and for docs/reliability.md.
struct CampaignReport {
    let fault: String
    let firstSeed: UInt64
    private(set) var runs = 0
    private(set) var injections = 0
    private(set) var violations = 0
    private(set) var counts = History.Counts()
    private(set) var starts: [Duration] = []
    private let began = ContinuousClock.now

    init(fault: String, firstSeed: UInt64) {
        self.fault = fault
        self.firstSeed = firstSeed
    }

    mutating func add(_ site: Campaign.Site) {
        runs += 1
        injections += site.injections
        violations += site.history.violations.count
        starts += site.starts
        let more = site.history.counts
        counts.submitted += more.submitted
        counts.refused += more.refused
        counts.unanswered += more.unanswered
        counts.replayed += more.replayed
        counts.resumed += more.resumed
        counts.events += more.events
    }

    /// One line of progress.
    func tell(isOver: Bool) {
        let seconds = Int((ContinuousClock.now - began) / .seconds(1))
        let sorted = starts.sorted()
        let ready =
            sorted.isEmpty
            ? ""
            : ", ready \(Self.milliseconds(sorted[sorted.count / 2])) ms, at worst \(Self.milliseconds(sorted[sorted.count - 1]))"
        print(
            "\(fault): \(injections) injected in \(runs) runs from seed \(firstSeed), \(seconds) s; \(counts.submitted) jobs, \(counts.events) events read, \(counts.resumed) times resumed, \(counts.refused) refused, \(counts.unanswered) unanswered\(ready); \(violations) violations\(isOver ? "" : " …")"
        )
    }

    private static func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }

    /// Appends a line of JSON to the file that `LONGTAKE_CAMPAIGN_LOG` names.
    func write() {
        guard let path = Campaign.variable("LONGTAKE_CAMPAIGN_LOG") else { return }
        let sorted = starts.map(Self.milliseconds).sorted()
        let line = Line(
            fault: fault, firstSeed: firstSeed, runs: runs, injections: injections,
            seconds: Int((ContinuousClock.now - began) / .seconds(1)), jobs: counts.submitted, events: counts.events,
            resumed: counts.resumed, refused: counts.refused, unanswered: counts.unanswered, replayed: counts.replayed,
            readyMedian: sorted.isEmpty ? nil : sorted[sorted.count / 2], readyWorst: sorted.last,
            violations: violations)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(line), let file = fopen(path, "a") else { return }
        fputs(String(decoding: data, as: UTF8.self) + "\n", file)
        fclose(file)
    }

    private struct Line: Encodable {
        let fault: String
        let firstSeed: UInt64
        let runs, injections, seconds, jobs, events, resumed, refused, unanswered, replayed: Int
        let readyMedian, readyWorst: Int?
        let violations: Int
    }
}
