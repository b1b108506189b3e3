/* tie_order_map.h - a hash map whose elements are visited in the order of our suffix index, for ik_llama.cpp's trie.
 *
 * That trie keeps a node's children in a std::unordered_map, visits them in its order, and takes the first one with the
 * largest count: equal ones are decided by a hash. Compiled with this header in front, the same code visits them as
 * suffix_index.h, S2, says. Nothing else of it is changed.
 *
 * A count grows only right after its child was found, so what was found last is put in its place before anything else
 * is done.
 */
#ifndef TESTS_PEERS_TIE_ORDER_MAP_H
#define TESTS_PEERS_TIE_ORDER_MAP_H

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace std {

template <class Key, class Value> class tie_order_map {
    using order = list<pair<const Key, Value>>;
    using place = typename order::iterator;

    mutable order                      items; /* by falling counts */
    mutable unordered_map<Key, place> *places = nullptr;
    mutable place                      found;      /* last */
    mutable int64_t                    count = -1; /* that it had; -1: nothing was found */

    void settle() const {
        if (count < 0 || found->second->count == count) return;
        place first = found, to;
        while (first != items.begin() && prev(first)->second->count == count) --first;
        to = first;
        if (first == found)
            while (to != items.begin() && prev(to)->second->count == count + 1) --to;
        if (to != found) items.splice(to, items, found);
        count = -1;
    }

    place look(const Key &key) const {
        if (places != nullptr) {
            auto it = places->find(key);
            return it != places->end() ? it->second : items.end();
        }
        place at = items.begin();
        while (at != items.end() && at->first != key) ++at;
        return at;
    }

  public:
    ~tie_order_map() {
        delete places;
    }
    auto begin() const {
        settle();
        return items.cbegin();
    }
    auto end() const {
        return items.cend();
    }
    auto end() {
        return items.end();
    }
    bool empty() const {
        return items.empty();
    }
    auto find(const Key &key) const {
        settle();
        return typename order::const_iterator(look(key));
    }
    auto find(const Key &key) {
        settle();
        place at = look(key);
        count = at != items.end() ? at->second->count : -1;
        found = at;
        return at;
    }
    const Value &at(const Key &key) const {
        settle();
        return look(key)->second;
    }
    Value &operator[](const Key &key) { /* a new one only */
        settle();
        items.emplace_back(key, Value());
        if (places == nullptr && items.size() == 16) {
            places = new unordered_map<Key, place>();
            for (place at = items.begin(); at != items.end(); ++at) places->emplace(at->first, at);
        } else if (places != nullptr) {
            places->emplace(key, prev(items.end()));
        }
        return items.back().second;
    }
};

} // namespace std

#define unordered_map tie_order_map

#endif
