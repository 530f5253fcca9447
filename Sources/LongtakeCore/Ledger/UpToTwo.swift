/// A collection of at most two elements, stored inline. No decision appends more events, and an
/// array would cost an allocation for each decision. An array literal would too, so this type
/// cannot be written as one.
public struct UpToTwo<Element: Sendable>: RandomAccessCollection, Sendable {
    private var first: Element?
    private var second: Element?

    public init() {}

    public init(_ first: Element, _ second: Element? = nil) {
        self.first = first
        self.second = second
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { second != nil ? 2 : first != nil ? 1 : 0 }

    public subscript(position: Int) -> Element {
        switch position {
        case 0: first!
        case 1: second!
        default: preconditionFailure("index \(position) of a collection of at most two elements")
        }
    }

    public var last: Element? { second ?? first }

    /// - Precondition: the collection has fewer than two elements.
    public mutating func append(_ element: Element) {
        if first == nil {
            first = element
        } else {
            precondition(second == nil, "a third element in a collection of at most two elements")
            second = element
        }
    }

    /// Transforms each element.
    public func mapped<Other: Sendable>(_ transform: (Element) -> Other) -> UpToTwo<Other> {
        guard let first else { return UpToTwo<Other>() }
        return UpToTwo<Other>(transform(first), second.map(transform))
    }
}

extension UpToTwo: Equatable where Element: Equatable {}
extension UpToTwo: Hashable where Element: Hashable {}
