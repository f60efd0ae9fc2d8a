// SPDX-License-Identifier: MIT
// Queues that are C++ templates: loops over them must be made here to be inlined.
#include <type_traits>

#ifdef BENCH_BOOST
#include <boost/lockfree/spsc_queue.hpp>
#endif
#ifdef BENCH_READERWRITERQUEUE
#include <readerwriterqueue/readerwriterqueue.h>
#endif

#include "queues/loops.h"

enum { PEER = 1 }; // BENCH_PEER

template <class Q> static void close_queue(void *queue)
{
    delete static_cast<Q *>(queue);
}

template <class Q, size_t count> static void *open_queue()
{
    return new Q(count);
}

#ifdef BENCH_BOOST
template <class T> using Boost = boost::lockfree::spsc_queue<T>;

#define BOOST_PUT(q, item) static_cast<Boost<std::remove_reference<decltype(*(item))>::type> *>(q)->push(*(item))
#define BOOST_GET(q, item) static_cast<Boost<std::remove_reference<decltype(*(item))>::type> *>(q)->pop(*(item))

QUEUE_LOOPS(boost_item, uint32_t, stamp_item, item_has, BOOST_PUT, BOOST_GET)
QUEUE_LOOPS(boost_frame, struct frame, stamp_frame, frame_has, BOOST_PUT, BOOST_GET)
#endif

#ifdef BENCH_READERWRITERQUEUE
template <class T> using Reader = moodycamel::ReaderWriterQueue<T>;
#define READER_PUT(q, item) static_cast<Reader<std::remove_reference<decltype(*(item))>::type> *>(q)->try_enqueue(*(item))
#define READER_GET(q, item) static_cast<Reader<std::remove_reference<decltype(*(item))>::type> *>(q)->try_dequeue(*(item))

QUEUE_LOOPS(reader_item, uint32_t, stamp_item, item_has, READER_PUT, READER_GET)
QUEUE_LOOPS(reader_frame, struct frame, stamp_frame, frame_has, READER_PUT, READER_GET)
#endif

extern "C" {
const struct queue_kind item_queues_cpp[] = {
#ifdef BENCH_BOOST
    QUEUE_KIND("boost spsc_queue", PEER, boost_item, (open_queue<Boost<uint32_t>, QUEUE_ITEMS>), close_queue<Boost<uint32_t>>),
#endif
#ifdef BENCH_READERWRITERQUEUE
    QUEUE_KIND("readerwriterqueue", PEER, reader_item, (open_queue<Reader<uint32_t>, QUEUE_ITEMS>), close_queue<Reader<uint32_t>>),
#endif
    {}};
const struct queue_kind frame_queues_cpp[] = {
#ifdef BENCH_BOOST
    QUEUE_KIND("boost spsc_queue", PEER, boost_frame, (open_queue<Boost<struct frame>, QUEUE_FRAMES>), close_queue<Boost<struct frame>>),
#endif
#ifdef BENCH_READERWRITERQUEUE
    QUEUE_KIND("readerwriterqueue", PEER, reader_frame, (open_queue<Reader<struct frame>, QUEUE_FRAMES>), close_queue<Reader<struct frame>>),
#endif
    {}};
}
