import Glibc

/// A client that reads the events of all jobs on one stream, over any number of connections.
package struct FeedFollower: Sendable {
    let daemon: DaemonProcess
    let history: History

    package func run(_ crew: Crew, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var last = "0"
        var heads: [String: Int] = [:]
        while !crew.isStopped {
            guard let reader = try? daemon.feed("", "Last-Event-ID: \(last)"), reader.head.status == 200 else {
                poll(nil, 0, 20)
                continue
            }
            let leaves = generator.percent(30) ? generator.draw(0...200) : Int.max
            var seen = 0
            while seen <= leaves, !crew.isStopped, let block = try? reader.next(within: 20) {
                seen += 1
                if block.event == "stream.reset" {
                    history.violated(.resume, "the feed's cursor \(last) was given out and is not honoured")
                }
                if let id = block.id { last = id }
                guard block.isLogged, let line = block.data, let event = try? JSON.object(line),
                    let job = event["job"] as? String, let number = (event["seq"] as? Double).map({ Int($0) })
                else {
                    if block.isLogged { history.violated(.resume, "the feed gave what cannot be read: \(block.raw)") }
                    continue
                }
                // Per job, the feed is the job's log.
                if number != (heads[job] ?? 0) + 1 {
                    history.violated(.resume, "the feed gave \(job) number \(number) behind \(heads[job] ?? 0)")
                }
                heads[job] = number
                history.fed(job, through: number)
                history.read(line, number: number, of: job)
            }
            history.count { $0.resumed += 1 }
        }
    }
}
